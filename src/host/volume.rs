//! Named volumes that are a directory of the server: driver `local`, `o: bind`, `device: /…`.
//!
//! Compose and the engine both call them volumes; what lies in them lies in that directory all the
//! same. The file refuses to know who mounts one.

use crate::host::{Access, Bind};

/// The directory behind a volume, by its driver and the driver's options; none where the engine
/// keeps the volume by itself.
#[must_use]
pub fn behind<'o>(
    driver: Option<&str>,
    option: impl Fn(&'static str) -> Option<&'o str>,
) -> Option<Bind> {
    if !matches!(driver, None | Some("" | "local")) {
        return None;
    }
    let flags: Vec<&str> = option("o")?.split(',').map(str::trim).collect();
    let is_bind = flags.contains(&"bind") || flags.contains(&"rbind");
    let device = option("device").filter(|device| device.starts_with('/'))?;
    is_bind.then(|| Bind {
        source: device.into(),
        access: if flags.contains(&"ro") {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(driver: Option<&str>, options: &[(&str, &'static str)]) -> Option<(String, Access)> {
        let option = |key: &str| options.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        let bind = behind(driver, option)?;
        Some((bind.source.display().to_string(), bind.access))
    }

    #[test]
    fn a_volume_that_is_a_bind_has_a_directory_behind_it_and_any_other_has_none() {
        let bind = [("type", "none"), ("o", "bind"), ("device", "/opt/app/pg")];
        let found = Some(("/opt/app/pg".to_owned(), Access::ReadWrite));
        assert_eq!(source(Some("local"), &bind), found);
        assert_eq!(source(None, &bind), found);
        assert_eq!(source(Some("rclone"), &bind), None);
        let nfs = [
            ("type", "nfs"),
            ("o", "addr=10.0.0.1,rw"),
            ("device", ":/x"),
        ];
        assert_eq!(source(None, &nfs), None);
        assert_eq!(source(None, &[]), None);
    }

    #[test]
    fn a_volume_may_be_bound_for_reading_only() {
        let bind = [("o", "ro,rbind"), ("device", "/opt/app/pg")];
        let found = Some(("/opt/app/pg".to_owned(), Access::ReadOnly));
        assert_eq!(source(None, &bind), found);
    }
}
