//! What a container printed, or why the engine cannot show it.
//!
//! It refuses to know who asks.

use std::collections::VecDeque;

use bollard::query_parameters as query;
use futures_util::StreamExt;

use super::{Engine, said};
use crate::host::lines::Line;
use crate::words::Result;

/// The driver that keeps nothing.
const NONE: &str = "none";

/// Which lines of a container are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// How many of those that are there; none means all.
    pub tail: Option<u32>,
    /// Whether those that come are waited for.
    pub follow: bool,
}

impl Engine {
    /// Hands over a container's lines as they come; where there can be none, one that says why.
    pub async fn read_logs(
        &self,
        container: &str,
        reading: Reading,
        mut each: impl FnMut(String),
    ) -> Result<()> {
        let tail = reading.tail.map_or("all".to_owned(), |n| n.to_string());
        let options = query::LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(reading.follow)
            .tail(&tail)
            .build();
        let mut stream = self.docker.logs(container, Some(options));
        let mut line = Line::default();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => line.read(&chunk.into_bytes(), &mut each),
                Err(error) => {
                    let driver = self.log_driver(container).await;
                    each(no_lines(&driver, Some(&said(&error))));
                    break;
                }
            }
        }
        line.rest().into_iter().for_each(each);
        Ok(())
    }

    /// A container's last lines; where there are none to be had, one that says why.
    pub async fn logs(&self, container: &str, lines: u32) -> Result<Vec<String>> {
        let options = query::LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut stream = self.docker.logs(container, Some(options));
        let (mut line, mut last, mut broke) = (Line::default(), VecDeque::new(), None);
        let mut keep = |text| {
            last.push_back(text);
            if last.len() > lines as usize {
                last.pop_front();
            }
        };
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => line.read(&chunk.into_bytes(), &mut keep),
                Err(error) => {
                    broke = Some(said(&error));
                    break;
                }
            }
        }
        line.rest().into_iter().for_each(keep);
        if last.is_empty() {
            let driver = self.log_driver(container).await;
            return Ok(vec![no_lines(&driver, broke.as_deref())]);
        }
        Ok(last.into())
    }

    /// The driver that takes a container's lines; empty if that cannot be told.
    async fn log_driver(&self, container: &str) -> String {
        let asked = self.docker.inspect_container(container, None);
        let host = asked.await.ok().and_then(|found| found.host_config);
        let driver = host.and_then(|host| host.log_config);
        driver.and_then(|config| config.typ).unwrap_or_default()
    }
}

/// A line for a container of which there is none.
fn no_lines(driver: &str, why: Option<&str>) -> String {
    match why {
        _ if driver == NONE => format!(
            "(its log driver `{NONE}` keeps nothing that could be shown: set `logging: {{ driver: local }}` for this service)"
        ),
        None => "(it printed nothing)".to_owned(),
        Some(why) if driver.is_empty() => format!("(its lines cannot be read: {why})"),
        Some(why) => format!(
            "(its log driver `{driver}` does not give its lines back: {why}; look where it sends them, or set `logging: {{ driver: local }}` for this service)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_lines_says_why() {
        let none = no_lines("none", Some("not supported"));
        assert!(none.contains("`none` keeps nothing"), "{none}");
        assert!(none.contains("driver: local"), "{none}");
        assert_eq!(no_lines("none", None), none);
        assert_eq!(no_lines("json-file", None), "(it printed nothing)");
        let far = no_lines("syslog", Some("not supported"));
        assert!(far.contains("`syslog` does not give its lines back: not supported"));
        assert_eq!(
            no_lines("", Some("gone")),
            "(its lines cannot be read: gone)"
        );
    }
}
