//! What a run would change, as lines that a person reads from above.
//!
//! It refuses to know how it was found out.

use crate::words::event::ServiceImage;
use crate::words::report::foreseen::{Foreseen, ServiceForeseen};
use crate::words::report::made;

/// How much of a digest tells one from another.
const SHORT: usize = 12;

/// The lines of it; images are called as they were asked for.
#[must_use]
pub fn lines(foreseen: &Foreseen, asked: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(server) = &foreseen.server {
        lines.push(format!(
            "On the server: Docker {}, Compose {}, project {}",
            server.docker, server.compose, server.project
        ));
    }
    lines.push(if foreseen.is_nothing() {
        "Nothing would change.".to_owned()
    } else {
        "What would change:".to_owned()
    });
    section(
        &mut lines,
        "images",
        foreseen.images.iter().map(|i| image(i, asked)),
    );
    section(
        &mut lines,
        "services",
        foreseen.services.iter().map(service),
    );
    let files = foreseen.files.iter().flat_map(|file| {
        let head = format!("{:<10} {}", file.change, file.path);
        let below = file.lines.iter().map(|line| format!("  {line}"));
        std::iter::once(head).chain(below)
    });
    section(&mut lines, "files", files);
    section(
        &mut lines,
        "ports and names",
        foreseen.places.iter().cloned(),
    );
    section(
        &mut lines,
        "the way back",
        foreseen.ways_back.iter().cloned(),
    );
    section(&mut lines, "it would say", foreseen.says.iter().cloned());
    lines
}

fn section(lines: &mut Vec<String>, head: &str, body: impl Iterator<Item = String>) {
    let mut body = body.map(|line| format!("    {line}")).peekable();
    if body.peek().is_some() {
        lines.push(format!("  {head}"));
        lines.extend(body);
    }
}

fn image(image: &ServiceImage, asked: &[String]) -> String {
    let (old, new) = versions(image);
    let digests = match (old, new) {
        (Some(old), Some(new)) if old == new => format!("{new}, as now"),
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (None, Some(new)) => format!("→ {new}"),
        (Some(old), None) => format!("{old} → built on the server"),
        (None, None) => "built on the server".to_owned(),
    };
    let called = made::asked_for(&image.image, asked);
    format!("{:<10} {called}  {digests}", image.service)
}

/// The old and the new digest; where either has none, as what no registry has, both IDs.
fn versions(image: &ServiceImage) -> (Option<String>, Option<String>) {
    let some = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(short);
    let old = (&image.previous_digest, &image.previous_image_id);
    let id = Some(image.image_id.clone());
    let by_digest = image.digest.is_some() && (old.0.is_some() || old.1.is_none());
    if by_digest {
        (some(old.0), some(&image.digest))
    } else {
        (some(old.1), some(&id).or_else(|| some(&image.digest)))
    }
}

fn short(digest: &str) -> String {
    match digest.split_once(':') {
        Some((kind, hex)) => format!("{kind}:{}", hex.get(..SHORT).unwrap_or(hex)),
        None => digest.to_owned(),
    }
}

fn service(service: &ServiceForeseen) -> String {
    let line = format!("{:<10} {}", service.service, service.change.word());
    match service.because.as_slice() {
        [] => line,
        all => format!("{line}: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::report::foreseen::{Change, FileForeseen};

    fn web(digest: &str, previous: Option<&str>) -> ServiceImage {
        ServiceImage {
            service: "web".into(),
            image: "acme/web:2".into(),
            image_id: String::new(),
            digest: Some(format!("sha256:{}", digest.repeat(32))),
            previous_image_id: previous.map(|p| format!("sha256:id{p}")),
            previous_digest: previous.map(|p| format!("sha256:{}", p.repeat(32))),
        }
    }

    #[test]
    fn what_would_change_is_told_from_the_images_to_the_way_back() {
        let mut foreseen = Foreseen {
            images: vec![web("2b", Some("1a"))],
            services: vec![
                ServiceForeseen {
                    service: "web".into(),
                    change: Change::Recreated,
                    because: vec!["image".into(), "environment (LAMP)".into()],
                },
                ServiceForeseen {
                    service: "db".into(),
                    change: Change::Stays,
                    because: Vec::new(),
                },
            ],
            files: vec![FileForeseen {
                path: ".env".into(),
                change: "changed".into(),
                lines: vec!["+ LAMP".into()],
            }],
            places: vec!["port 8000 is this application's own".into()],
            ways_back: vec!["afterwards, to what runs now".into()],
            ..Foreseen::default()
        };
        insta::assert_snapshot!(lines(&foreseen, &[]).join("\n"), @r"
        What would change:
          images
            web        acme/web:2  sha256:1a1a1a1a1a1a → sha256:2b2b2b2b2b2b
          services
            web        recreated: image, environment (LAMP)
            db         left alone
          files
            changed    .env
              + LAMP
          ports and names
            port 8000 is this application's own
          the way back
            afterwards, to what runs now
        ");
        foreseen.files.clear();
        foreseen.services.remove(0);
        foreseen.images = vec![web("1a", Some("1a"))];
        assert_eq!(lines(&foreseen, &[])[0], "Nothing would change.");
        assert!(lines(&foreseen, &[])[2].ends_with("sha256:1a1a1a1a1a1a, as now"));
    }

    #[test]
    fn an_image_that_no_registry_has_is_told_by_its_id() {
        let mut local = web("1a", Some("1a"));
        local.previous_digest = None;
        local.image_id = "sha256:id2".into();
        assert!(image(&local, &[]).ends_with("sha256:id1a → sha256:id2"));
        local.image_id.clear();
        local.digest = None;
        assert!(image(&local, &[]).ends_with("sha256:id1a → built on the server"));
        let mut first = web("2b", None);
        assert!(image(&first, &[]).ends_with("→ sha256:2b2b2b2b2b2b"));
        first.digest = None;
        assert!(image(&first, &[]).ends_with("built on the server"));
    }
}
