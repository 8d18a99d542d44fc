//! What the application's containers print, for a person: without what must not be told, and for as
//! long as somebody reads.
//!
//! It refuses to know who reads, and changes nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::face::logs::{Printed, Wanted};
use crate::host::docker::logs::Reading;
use crate::host::real::Server;
use crate::host::{Container, Host};
use crate::saga::redact::Redactor;
use crate::saga::release::deployed::{self, Deployed};
use crate::saga::release::project;
use crate::words::event::{Failure, Step};
use crate::words::plan::Site;

/// How often it is looked whether there are more containers by now.
const LOOK: Duration = Duration::from_secs(1);

/// Prints what is wanted, line by line, until it has all been printed or nobody reads any more.
pub async fn print(state: &Path, site: &Site, wanted: &Wanted) -> Result<(), Failure> {
    let host = Server::new(site)?;
    let deployed = deployed::last(state, site);
    let project = match (&site.project_name, &deployed) {
        (None, Some(deployed)) if deployed.project().is_some() => {
            deployed.project().unwrap_or_default().to_owned()
        }
        _ => project::of_site(&host, site).await?,
    };
    let reader = Reader {
        host: &host,
        site,
        deployed: deployed.as_ref(),
        project,
        wanted,
        gone: RefCell::default(),
    };
    tokio::select! {
        read = reader.read() => read,
        () = nobody_asks() => Ok(()),
    }
}

/// Waits until whoever asked has gone: their end of our standard input is closed then. The thread that
/// waits for it keeps no process from ending.
async fn nobody_asks() {
    let (gone, is_gone) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(gone);
    });
    let _ = is_gone.await;
}

struct Reader<'a> {
    host: &'a Server,
    site: &'a Site,
    deployed: Option<&'a Deployed>,
    project: String,
    wanted: &'a Wanted,
    /// Whether nobody takes what is printed.
    gone: RefCell<bool>,
}

impl Reader<'_> {
    async fn read(&self) -> Result<(), Failure> {
        let mut known = BTreeSet::new();
        let mut streams = FuturesUnordered::new();
        let mut containers = self.containers().await?;
        if containers.is_empty() {
            return Err(self.none());
        }
        loop {
            for container in containers.drain(..) {
                // What comes later is read from its beginning.
                let tail = self
                    .wanted
                    .tail
                    .filter(|_| streams.is_empty() || known.is_empty());
                if known.insert(container.id.clone()) {
                    streams.push(self.one(container, tail));
                }
            }
            let is_over = tokio::select! {
                Some(()) = streams.next() => streams.is_empty() && !self.wanted.follow,
                () = tokio::time::sleep(LOOK), if self.wanted.follow => false,
                else => true,
            };
            if is_over || *self.gone.borrow() {
                return Ok(());
            }
            if self.wanted.follow {
                // An engine that is away for a while comes back.
                containers = self.containers().await.unwrap_or_default();
                containers.retain(|c| !known.contains(&c.id));
            }
        }
    }

    async fn containers(&self) -> Result<Vec<Container>, Failure> {
        let mut all = self.host.containers(&self.project).await?;
        let service = self.wanted.service.as_ref();
        if let Some(service) = service
            && !all.is_empty()
            && !all.iter().any(|c| c.service == *service)
        {
            return Err(unknown(service, &all));
        }
        all.retain(|c| service.is_none_or(|wanted| c.service == *wanted));
        Ok(all)
    }

    fn none(&self) -> Failure {
        let dir = self.site.deploy_dir.display();
        Failure::new(format!("nothing of `{dir}` has a container"))
            .hint("see how it stands: `landfall status`")
    }

    /// Prints one container's lines, each as it may be told.
    async fn one(&self, container: Container, tail: Option<u32>) {
        let plan = self.deployed.map(|d| &d.plan);
        let here = self.host.here(self.site);
        let mut redactor = Redactor::of_site(self.site, plan, &here);
        let reading = Reading {
            tail,
            follow: self.wanted.follow,
        };
        let read = self
            .host
            .read_logs(&container.id, reading, |line| {
                for (_, line) in redactor.hear(Step::Verify, &line) {
                    self.tell(&container, line);
                }
            })
            .await;
        for (_, line) in redactor.rest() {
            self.tell(&container, line);
        }
        if let Err(failure) = read {
            self.tell(&container, format!("({failure})"));
        }
    }

    fn tell(&self, container: &Container, line: String) {
        let printed = Printed::Line {
            from: container.name.clone(),
            line,
        };
        if tell(&printed).is_err() {
            *self.gone.borrow_mut() = true;
        }
    }
}

fn unknown(service: &str, all: &[Container]) -> Failure {
    let names: BTreeSet<String> = all.iter().map(|c| format!("`{}`", c.service)).collect();
    let names: Vec<String> = names.into_iter().collect();
    Failure::new(format!("no container is of the service `{service}`"))
        .because(format!("there are those of {}", names.join(", ")))
        .hint("name one of these, or none to have them all")
}

/// Prints one line for the runner's side.
pub fn tell(printed: &Printed) -> io::Result<()> {
    let mut text = serde_json::to_string(printed)?;
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
