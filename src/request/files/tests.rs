//! What `files` finds in a workspace, and what it refuses to touch.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;

use super::*;

/// A workspace with the named files in it, each holding its own name.
fn workspace(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    dir
}

fn shop() -> tempfile::TempDir {
    workspace(&[
        "compose.yml",
        ".git/config",
        "config/app.yml",
        "config/.hidden",
        "config/nginx/site.conf",
        "config/nginx/.git/HEAD",
        "scripts/run.sh",
    ])
}

#[track_caller]
fn targets(dir: &tempfile::TempDir, files: &str) -> Vec<String> {
    let found = resolve(files.lines(), dir.path());
    found
        .unwrap()
        .into_iter()
        .map(|file| file.planned.path)
        .collect()
}

#[track_caller]
fn faults(dir: &tempfile::TempDir, files: &str) -> Vec<String> {
    let faults = resolve(files.lines(), dir.path()).unwrap_err();
    faults.into_iter().map(|fault| fault.what).collect()
}

#[test]
fn a_file_keeps_its_place_or_takes_a_new_name() {
    let dir = shop();
    assert_eq!(targets(&dir, "./compose.yml"), ["compose.yml"]);
    assert_eq!(targets(&dir, "config/app.yml => app.yml"), ["app.yml"]);
    assert_eq!(targets(&dir, "config/app.yml => etc/"), ["etc/app.yml"]);
    assert_eq!(targets(&dir, "config/app.yml => ."), ["app.yml"]);
}

#[test]
fn a_directory_copies_its_content_without_git() {
    let dir = shop();
    let content = ["config/.hidden", "config/app.yml", "config/nginx/site.conf"];
    assert_eq!(targets(&dir, "config"), content);
    assert_eq!(targets(&dir, "config/"), content);
    let here = [".hidden", "app.yml", "nginx/site.conf"];
    assert_eq!(targets(&dir, "config => ."), here);
    let everything = [
        "compose.yml",
        content[0],
        content[1],
        content[2],
        "scripts/run.sh",
    ];
    assert_eq!(targets(&dir, "."), everything);
}

#[test]
fn git_travels_only_when_it_is_named() {
    let dir = shop();
    assert_eq!(targets(&dir, ".git/config"), [".git/config"]);
    assert_eq!(targets(&dir, ".git => git"), ["git/config"]);
    assert_eq!(
        targets(&dir, "**/config*")
            .iter()
            .filter(|t| t.contains(".git"))
            .count(),
        0
    );
}

#[test]
fn a_glob_keeps_what_lies_behind_its_fixed_part() {
    let dir = shop();
    assert_eq!(targets(&dir, "*.yml"), ["compose.yml"]);
    assert_eq!(targets(&dir, "**/*.yml"), ["compose.yml", "config/app.yml"]);
    assert_eq!(
        targets(&dir, "config/*"),
        ["config/.hidden", "config/app.yml", "config/nginx/site.conf"]
    );
    assert_eq!(
        targets(&dir, "config/**/*.{yml,conf} => etc"),
        ["etc/app.yml", "etc/nginx/site.conf"]
    );
}

#[test]
fn a_name_that_looks_like_a_glob_is_a_name_first() {
    let dir = workspace(&["a[1].txt", "a1.txt"]);
    assert_eq!(targets(&dir, "a[1].txt"), ["a[1].txt"]);
}

#[test]
fn the_same_file_twice_is_once() {
    let dir = shop();
    assert_eq!(targets(&dir, "compose.yml\n*.yml"), ["compose.yml"]);
}

#[test]
fn a_file_is_measured() {
    let dir = shop();
    let script = dir.path().join("scripts/run.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let found = resolve("compose.yml\nscripts".lines(), dir.path()).unwrap();
    let planned: Vec<_> = found.iter().map(|f| &f.planned).collect();
    assert_eq!(planned[0].mode, 0o644);
    assert_eq!(planned[1].mode, 0o755);
    assert_eq!(planned[1].size, 14);
    assert_eq!(
        planned[0].sha256,
        "3493e6b5ddf34891e572f911db893efd9e46af828e011ea778a7c1eb64763588"
    );
}

#[test]
fn every_pattern_that_matches_nothing_is_a_fault() {
    let dir = shop();
    assert_eq!(
        faults(
            &dir,
            "compos.yml\ndist/**\n/etc/passwd\n../x\na =>\n[\nconfig => /etc"
        ),
        [
            "`compos.yml` matches no file",
            "`dist/**` matches no file",
            "`/etc/passwd` is absolute",
            "`../x` contains `..`",
            "`a =>` lacks one side of `=>`",
            "`[` is not a glob",
            "`/etc` is absolute",
        ]
    );
}

#[test]
fn two_files_for_one_target_are_a_fault() {
    let dir = shop();
    assert_eq!(
        faults(&dir, "compose.yml => app.yml\nconfig/app.yml => app.yml"),
        ["two files would become `app.yml`"]
    );
}

#[test]
fn nothing_outside_the_workspace_is_read() {
    let outside = workspace(&["secret", "dir/secret"]);
    let dir = shop();
    symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    symlink(outside.path().join("dir"), dir.path().join("config/away")).unwrap();
    symlink("nowhere", dir.path().join("scripts/dangling")).unwrap();
    assert_eq!(faults(&dir, "link"), ["`link` points out of the workspace"]);
    assert_eq!(
        faults(&dir, "config/away/secret"),
        ["`config/away/secret` points out of the workspace"]
    );
    assert_eq!(
        faults(&dir, "config"),
        ["`config/away` points out of the workspace"]
    );
    assert_eq!(
        faults(&dir, "config/**"),
        ["`config/away` points out of the workspace"]
    );
    assert_eq!(
        faults(&dir, "scripts"),
        ["`scripts/dangling` cannot be read"]
    );
}

#[test]
fn links_inside_the_workspace_are_followed_and_circles_end() {
    let dir = shop();
    symlink("../compose.yml", dir.path().join("scripts/link.yml")).unwrap();
    symlink("..", dir.path().join("scripts/up")).unwrap();
    symlink(".", dir.path().join("scripts/here")).unwrap();
    let found = targets(&dir, "scripts");
    assert!(found.contains(&"scripts/link.yml".to_owned()), "{found:?}");
    assert!(
        found.contains(&"scripts/up/compose.yml".to_owned()),
        "{found:?}"
    );
    assert!(found.len() < 20, "{found:?}");
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let dir = shop();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    assert_eq!(faults(&dir, "socket"), ["`socket` is not a regular file"]);
}
