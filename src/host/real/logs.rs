//! What containers print, read as it comes.
//!
//! It refuses to know who reads, and shows no line that it was not asked for.

use super::Server;
use crate::host::docker::logs::Reading;
use crate::words::Result;

impl Server {
    /// Reads a container's lines, handing each over as it comes; ends with the container where it is
    /// followed, and with its last line elsewhere.
    pub async fn read_logs(
        &self,
        container: &str,
        reading: Reading,
        each: impl FnMut(String),
    ) -> Result<()> {
        self.docker()
            .await?
            .read_logs(container, reading, each)
            .await
    }
}
