//! The names of all crash points, as data: what a fault test draws from.
//!
//! It refuses to know what happens at them.

/// Every crash point, in the order of a run. `X.before` and `X.after` lie around the act `X`.
pub const POINTS: &[&str] = &[
    "launch.files.before",
    "launch.files.after",
    "launch.spawn.before",
    "launch.spawn.after",
    "agent.claimed",
    "journal.open.before",
    "journal.open.after",
    "journal.append.before",
    "journal.sync.before",
    "journal.append.after",
    "facts.write.before",
    "facts.rename.before",
    "facts.rename.after",
    "facts.write.after",
    "lock.take.before",
    "lock.take.after",
    "act.before",
    "act.after",
    "undo.before",
    "undo.after",
    "command.spawn.before",
    "group.led",
    "command.spawned",
    "command.ended",
    "stage.lay.before",
    "stage.lay.after",
    "stage.strike.before",
    "stage.strike.after",
    "compose.config.before",
    "compose.config.after",
    "compose.up.before",
    "compose.up.after",
    "compose.create.before",
    "compose.create.after",
    "containers.look.before",
    "containers.look.after",
    "networks.look.before",
    "networks.look.after",
    "image.look.before",
    "image.look.after",
    "pull.before",
    "pull.asked",
    "pull.fetched",
    "pull.after",
    "tag.before",
    "tag.after",
    "untag.before",
    "untag.after",
    "start.before",
    "start.after",
    "stop.before",
    "stop.after",
    "remove.before",
    "remove.after",
    "rename.before",
    "rename.after",
    "network.remove.before",
    "network.remove.after",
    "backup.before",
    "backup.archive.before",
    "backup.archive.written",
    "backup.description.written",
    "backup.archive.named",
    "backup.description.named",
    "backup.after",
    "backup.drop.before",
    "backup.drop.after",
    "generation.write.before",
    "generation.write.after",
    "files.put.before",
    "files.put.after",
    "restore.before",
    "restore.staged",
    "restore.place.before",
    "restore.place.after",
    "restore.remove.before",
    "restore.remove.after",
    "restore.finish.before",
    "restore.after",
    "file.name.before",
    "file.create.before",
    "file.create.after",
    "file.rename.before",
    "file.rename.after",
    "file.remove.before",
    "file.remove.after",
    "dir.make.before",
    "dir.make.after",
    "tidy.before",
    "tidy.retain.before",
    "tidy.finished",
    "tidy.after",
    "settle.groups.before",
    "settle.resume.before",
    "settle.resume.after",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::POINTS;

    /// The source of everything but the macro and these modules.
    fn sources(dir: &Path, into: &mut String) {
        let entries = fs::read_dir(dir).unwrap().flatten();
        for path in entries.map(|e| e.path()) {
            if path.file_stem() == Some("fault".as_ref()) {
                continue;
            }
            if path.is_dir() {
                sources(&path, into);
            } else {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// The names that the source gives to `fault!`.
    fn named() -> BTreeSet<String> {
        let mut source = String::new();
        let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        sources(src, &mut source);
        let mut names = BTreeSet::new();
        for call in source.split("fault!(").skip(1) {
            let call = call.trim_start();
            let around = call.starts_with("around \"");
            if around || call.starts_with("here \"") || call.starts_with('"') {
                let name = call.split('"').nth(1).unwrap().to_owned();
                if around {
                    names.extend([format!("{name}.before"), format!("{name}.after")]);
                } else {
                    names.insert(name);
                }
            }
        }
        names.retain(|name| name != "name");
        names
    }

    #[test]
    fn the_list_names_every_crash_point_of_the_source_and_no_other() {
        let listed: BTreeSet<String> = POINTS.iter().map(|p| (*p).to_owned()).collect();
        assert_eq!(listed, named());
        assert_eq!(listed.len(), POINTS.len(), "a name is listed twice");
    }
}
