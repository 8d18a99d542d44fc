//! The names that a compose file of ours gives to services whose own is another's.
//!
//! It refuses to know who holds a name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::disk;
use crate::files::rundir;
use crate::words::plan::Site;

/// Service to name.
pub type Names = BTreeMap<String, String>;

/// What the last compose file of a site says, if it is one of ours.
pub fn of(site: &Site) -> Names {
    let ours = site.compose_files.last().map(Path::new);
    let Some(bytes) = ours
        .filter(|f| rundir::is_list_of_images(f))
        .and_then(|f| disk::read(f).ok())
    else {
        return Names::new();
    };
    let text: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let services = text["services"].as_object().into_iter().flatten();
    let named = services.filter_map(|(service, named)| {
        let name = named["container_name"].as_str()?;
        Some((service.clone(), name.to_owned()))
    });
    named.collect()
}
