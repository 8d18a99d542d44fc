//! What in a report was written by somebody else, and how it is passed through a filter.
//!
//! It refuses to know what a secret is; the caller's filter does.

use super::{Goal, Origin, Report};

impl Report {
    /// The report with every text that a person or a server wrote passed through `scrub`.
    /// Identifiers and words of this program's own stay as they are.
    #[must_use]
    pub fn scrubbed(mut self, scrub: impl Fn(&str) -> String) -> Self {
        self.each_text(&mut |text| *text = scrub(text));
        self
    }

    fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        // Named one by one so that a new field has to be decided on.
        let Self {
            v: _,
            id: _,
            status: _,
            goal,
            deploy_dir: _,
            origin,
            started_at: _,
            ended_at: _,
            duration_ms: _,
            downtime_ms: _,
            steps: _,
            images,
            backup,
            target: _,
            target_made_by,
            checks,
            checks_after_rollback,
            logs,
            warnings,
            failed_step: _,
            failures,
            undo_failure,
            reason,
            hints,
            preview,
            server: _,
            reader: _,
            next_seq: _,
            measures_downtime: _,
        } = self;
        if let Some(Goal::Deploy { images }) = goal {
            images.iter_mut().for_each(&mut *visit);
        }
        origin_texts(origin, visit);
        if let Some(made) = target_made_by {
            made.asked.iter_mut().for_each(&mut *visit);
            origin_texts(&mut made.origin, visit);
        }
        for image in images {
            visit(&mut image.image);
        }
        if let Some(backup) = backup {
            visit(&mut backup.file);
        }
        for check in checks.iter_mut().chain(checks_after_rollback) {
            visit(&mut check.name);
            visit(&mut check.detail);
        }
        logs.iter_mut()
            .flat_map(|l| l.lines.iter_mut())
            .for_each(&mut *visit);
        for failure in failures.iter_mut().chain(undo_failure) {
            failure.each_text(visit);
        }
        warnings.iter_mut().for_each(&mut *visit);
        hints.iter_mut().for_each(&mut *visit);
        preview.iter_mut().for_each(&mut *visit);
        visit(reason);
    }
}

fn origin_texts(origin: &mut Origin, visit: &mut dyn FnMut(&mut String)) {
    let Origin {
        environment,
        url,
        actor,
        repository: _,
        commit: _,
        commit_title,
        commit_author,
        run_url: _,
    } = origin;
    visit(environment);
    for text in [url, actor, commit_title, commit_author] {
        text.iter_mut().for_each(&mut *visit);
    }
}
