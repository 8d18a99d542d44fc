//! Brings a recorded release back: references mean the recorded images, Compose replaces what
//! differs, nothing else stays, and what runs is compared with what was recorded.
//!
//! It refuses to know about files; they are in place before it is asked.

use crate::host::{Config, Container, Host, Making, Recreate, State, Telling, Volumes};
use crate::saga::facts::Before;
use crate::saga::release::compare::{Exactness, same_again};
use crate::saga::release::drift::{self, Drifted};
use crate::saga::release::names::{self, Lost};
use crate::saga::release::{
    aside, joined, leftovers, mounts, named, networks, others, pathless, record, strangers,
};
use crate::saga::since;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::{Reference, Release, Running};
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::reference;

/// Puts back what ran before this run, exactly, and verifies it. Where the path leads elsewhere,
/// Compose is not to be asked, and only what the engine can do alone is done.
///
/// What ran serves first: whatever fails on the way to that, and is in nobody's way, is tried again
/// or told behind it, and the first failure counts in the end.
pub async fn back<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    run_again(run, before, run.host.confirm().await).await?;
    let done = whole_way_back(run, before).await;
    // What went well through a path that led elsewhere in between is not known to be right.
    let done = done.and(run.host.confirm().await);
    run_again(run, before, done).await
}

/// Lets what ran serve again where the way back ends because the path leads elsewhere.
async fn run_again<H: Host>(run: &Run<'_, H>, before: &Before, done: Result<()>) -> Result<()> {
    if done.as_ref().is_err_and(Failure::is_astray) {
        pathless::serve(run, before).await;
    }
    done
}

async fn whole_way_back<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let release = &before.release;
    let host = run.host.at(&site_of(run, release));
    let mut first = First::default();
    // What cannot be removed now is tried once more when what ran serves again.
    let _ = remove_others(run, release).await;
    first.hear(remove_surplus(run, before).await);
    // Compose would make a second one for each that it does not know to be aside.
    let still_aside = aside::try_to_put_back(run, before).await?;
    let mut way = Way::Back;
    if first.hear(networks::have_changed(run, before).await) == Some(true) {
        first.hear(stop_all(run, release).await);
        way = Way::BackAnew;
    }
    let brought = bring_up(run, &host, release, way, &still_aside).await;
    let drifted = first.hear(brought).unwrap_or_default();
    first.unless_astray()?;
    first.hear(tidy(run, before).await);
    first.end()?;
    same_again(run, &host, release, Exactness::Configuration(&drifted)).await
}

/// What is left to do when what ran serves again.
async fn tidy<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let release = &before.release;
    let mut first = First::default();
    first.hear(remove_others(run, release).await);
    first.hear(aside::put_back(run, before).await);
    first.hear(give_meanings(run, release).await);
    first.hear(networks::remove_new(run, before).await);
    first.hear(networks::stand(run, before).await);
    first.hear(stop_what_idled(run, before).await);
    let absent = run.parts().unwrap_or_default().absent;
    first.hear(run.host.remove_empty(&absent).await);
    first.end()
}

/// Lets references mean what they meant, those aside that somebody else has moved since.
async fn give_meanings<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let moved = since::moved(run)?;
    let is_ours = |r: &&Reference| moved.iter().all(|m| m.reference != r.reference);
    let mut first = First::default();
    first.hear(mean(run, release.references.iter().filter(is_ours)).await);
    first.hear(unmean(run, release.references.iter().filter(is_ours)).await);
    first.hear(since::leave_moved(run).await);
    first.end()
}

/// The first failure of several things, none of which keeps the next from being done.
#[derive(Debug, Default)]
struct First(Option<Failure>);

impl First {
    /// Takes in how one of them went; what it came to, where it went well.
    fn hear<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                let is_news = failure.is_astray() && !self.is_astray();
                if self.0.is_none() || is_news {
                    self.0 = Some(failure);
                }
                None
            }
        }
    }

    fn so_far(&self) -> Result<()> {
        self.0.clone().map_or(Ok(()), Err)
    }

    /// Ends it where the path leads elsewhere by now: a person does the rest.
    fn unless_astray(&self) -> Result<()> {
        let astray = self.0.clone().filter(Failure::is_astray);
        astray.map_or(Ok(()), Err)
    }

    fn is_astray(&self) -> bool {
        self.0.as_ref().is_some_and(Failure::is_astray)
    }

    fn end(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Brings a backup's release up in place of what runs, and verifies its images.
pub async fn forth<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let host = run.host.at(&site_of(run, release));
    aside::set(run, release).await?;
    bring_up(run, &host, release, Way::Forth, &[]).await?;
    let runs = |r: &&Reference| release.services.iter().any(|s| s.image == r.reference);
    mean(run, release.references.iter().filter(|r| !runs(r))).await?;
    unmean(run, release.references.iter()).await?;
    same_again(run, &host, release, Exactness::Images).await
}

/// The site with the compose files that the release was made from, where they are there.
fn site_of<H: Host>(run: &Run<'_, H>, release: &Release) -> Site {
    let mut site = run.plan.site.clone();
    let dir = run.host.here(&site);
    let files = &release.compose_files;
    if !files.is_empty() && files.iter().all(|file| dir.join(file).is_file()) {
        site.compose_files.clone_from(files);
    }
    site
}

/// Lets references that meant something mean it again; an image that is gone is pulled by digest.
async fn mean<H: Host>(
    run: &Run<'_, H>,
    references: impl Iterator<Item = &Reference>,
) -> Result<()> {
    for known in references {
        if let Some(id) = &known.image_id {
            point(run, &known.reference, id, known.digest.as_deref()).await?;
        }
    }
    Ok(())
}

/// Lets a reference mean an image; one that names a digest or an ID cannot mean another.
async fn point<H: Host>(run: &Run<'_, H>, to: &str, id: &str, digest: Option<&str>) -> Result<()> {
    if record::is_image_id(to) || reference::parse(to).digest.is_some() {
        return have(run, id, digest).await;
    }
    if run.host.image(to).await?.is_some_and(|now| now.id == id) {
        return Ok(());
    }
    have(run, id, digest).await?;
    run.host.tag(id, to).await
}

/// Lets go of references that meant nothing; the containers that used them are gone by now.
async fn unmean<H: Host>(
    run: &Run<'_, H>,
    references: impl Iterator<Item = &Reference>,
) -> Result<()> {
    for known in references.filter(|r| r.image_id.is_none()) {
        if run.host.image(&known.reference).await?.is_some()
            && let Err(failure) = run.host.untag(&known.reference).await
        {
            run.warn(failure.to_string());
        }
    }
    Ok(())
}

async fn have<H: Host>(run: &Run<'_, H>, id: &str, digest: Option<&str>) -> Result<()> {
    if run.host.image(id).await?.is_some() {
        return Ok(());
    }
    let gone = || Failure::new(format!("the image {id} is gone from the server"));
    let digest = digest.ok_or_else(gone)?;
    let login = run.login(digest);
    let telling = Telling {
        new: &|_| Ok(()),
        progress: &|_, _, _| {},
    };
    let pulled = run.host.pull(digest, None, login.as_ref(), telling);
    pulled.await.map(|_| ())
}

/// Where a release is brought up from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From a failure: it is what ran before.
    Back,
    /// The same, in networks that are others than before: Compose makes those anew while nobody is
    /// in them, and moves only containers that it makes anew.
    BackAnew,
    /// By a rollback: it is what a backup describes.
    Forth,
}

/// Brings up what does not run as recorded; what does is left alone. Each reference means what ran
/// under it meanwhile, which need not be what it meant: a tag can be pulled again without an `up`.
/// Of the services in `but` no container is made.
///
/// On the way back, one service that cannot come back keeps no other from it, and the first failure
/// is told. On the way forth nothing starts after a failure: what ran is not for these files.
async fn bring_up<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    release: &Release,
    way: Way,
    but: &[String],
) -> Result<Vec<Drifted>> {
    let (mut first, mut drifted) = (First::default(), Vec::new());
    first.hear(leftovers::mend(run, &release.project).await);
    let mut by = By::of(run, host, release, way).await;
    for mut layer in layers(&release.services) {
        layer.retain(|s| !but.contains(&s.service));
        let (there, missing) = with_image(run, layer).await;
        first.hear(missing);
        let mut made = make_layer(run, by.host(), &release.project, &there, way).await;
        if made.is_err() && way != Way::Forth {
            // What is half made has the volumes already.
            let _ = leftovers::mend(run, &release.project).await;
            let is_news = by.loses_names(run, release).await;
            let each = one_by_one(run, by.host(), &release.project, &there, way).await;
            // Where it was a name that somebody took meanwhile, that is made up for.
            made = if is_news { each } else { made.and(each) };
        }
        drifted.extend(first.hear(made).unwrap_or_default());
        if way == Way::Forth {
            first.so_far()?;
        }
    }
    // Half of a replacement is not to be started beside the whole one.
    first.hear(leftovers::mend(run, &release.project).await);
    // What mounts something by its path would be given what that leads to now.
    match run.host.confirm().await {
        Ok(()) => first.hear(start_what_ran(run, by.host(), release, &by.config).await),
        Err(astray) => first.hear(Err(astray)),
    };
    first.end().map(|()| drifted)
}

/// The server for the compose files that a release is made by: with one of ours where theirs name
/// other images than ran, or names that are somebody else's by now.
struct By<'h, H> {
    theirs: &'h H,
    site: Site,
    lost: Lost,
    named: Option<H>,
    config: Config,
}

impl<'h, H: Host> By<'h, H> {
    async fn of(run: &Run<'_, H>, theirs: &'h H, release: &Release, way: Way) -> Self {
        let site = site_of(run, release);
        let lost = match way {
            Way::Forth => Lost::new(),
            Way::Back | Way::BackAnew => names::lost(run).await,
        };
        let (config, named) = named::files(run, theirs, &site, release, &lost).await;
        Self {
            theirs,
            site,
            lost,
            named,
            config,
        }
    }

    fn host(&self) -> &H {
        self.named.as_ref().unwrap_or(self.theirs)
    }

    /// Looks again whose names are somebody else's; says whether that is news.
    async fn loses_names(&mut self, run: &Run<'_, H>, release: &Release) -> bool {
        let lost = names::lost(run).await;
        let is_news = lost != self.lost;
        if is_news {
            let files = named::files(run, self.theirs, &self.site, release, &lost).await;
            (self.lost, self.named) = (lost, files.1);
        }
        is_news
    }
}

/// Makes the services of a layer each for itself: one that cannot be made keeps no other from it.
async fn one_by_one<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    project: &str,
    layer: &[&Running],
    way: Way,
) -> Result<Vec<Drifted>> {
    let (mut first, mut drifted) = (First::default(), Vec::new());
    for one in layer {
        let made = make_layer(run, host, project, &[*one], way).await;
        drifted.extend(first.hear(made).unwrap_or_default());
    }
    first.end().map(|()| drifted)
}

/// The services whose reference means their image again, and the first failure of the others.
async fn with_image<'s, H: Host>(
    run: &Run<'_, H>,
    layer: Vec<&'s Running>,
) -> (Vec<&'s Running>, Result<()>) {
    let (mut there, mut failed) = (Vec::new(), Ok(()));
    for service in layer {
        let (image, digest) = (&service.image, service.digest.as_deref());
        match point(run, image, &service.image_id, digest).await {
            Ok(()) => there.push(service),
            Err(failure) => {
                let what = format!(
                    "service `{}` cannot have its old image back",
                    service.service
                );
                run.warn(format!(
                    "{what}; its new containers are started again meanwhile"
                ));
                let mut all = Failure::new(what).because(&failure);
                all.hints = failure.hints;
                failed = failed.and(Err(all));
            }
        }
    }
    (there, failed)
}

/// Makes the containers of a layer that differ, those whose mounted file changed, and those that
/// share something of a container that is gone. Those that had drifted.
async fn make_layer<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    project: &str,
    layer: &[&Running],
    way: Way,
) -> Result<Vec<Drifted>> {
    let standing = host.containers(project).await?;
    let now = record::running(host, &standing).await?;
    let as_recorded = |was: &&&Running| now.iter().any(|is| made_alike(was, is));
    let wrong = layer.iter().filter(|w| !as_recorded(w)).copied();
    let (anew, how) = match way {
        Way::BackAnew => (layer.to_vec(), Recreate::Only),
        Way::Back | Way::Forth => (wrong.collect(), Recreate::Changed),
    };
    make(run, host, project, &anew, how).await?;
    let names: Vec<String> = layer.iter().map(|s| s.service.clone()).collect();
    let stale = mounts::stale(run, host, project, &names, &standing).await?;
    if stale.is_empty() || strangers::refuse(run, project).await.is_ok() {
        make(run, host, project, &of(layer, &stale), Recreate::Only).await?;
    } else {
        run.warn(format!(
            "{} still has the file that was there before, and not the one that was put back",
            stale.join(", ")
        ));
    }
    // One that is made again may be shared by yet another.
    for _ in layer {
        let adrift = joined::adrift(&host.containers(project).await?);
        let adrift = of(layer, &adrift);
        if adrift.is_empty() {
            break;
        }
        make(run, host, project, &adrift, Recreate::Only).await?;
    }
    match way {
        Way::Back | Way::BackAnew => drift::confirm(run, host, project, layer).await,
        Way::Forth => Ok(Vec::new()),
    }
}

fn of<'s>(layer: &[&'s Running], names: &[String]) -> Vec<&'s Running> {
    let own = layer.iter().filter(|s| names.contains(&s.service));
    own.copied().collect()
}

/// Lets Compose make containers; a service that the files do not name stays as it stands. The
/// services that they name.
pub async fn make<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    project: &str,
    services: &[&Running],
    recreate: Recreate,
) -> Result<Vec<String>> {
    let scaled = services.iter();
    let names: Vec<String> = services.iter().map(|s| s.service.clone()).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let mut making = Making {
        others: others::beside(host, project, &names).await?,
        services: names,
        scale: scaled.map(|s| (s.service.clone(), s.replicas)).collect(),
        recreate,
    };
    let say = |line: &str| run.say(line);
    while !making.services.is_empty() {
        strangers::refuse(run, project).await?;
        let Err(failure) = host.create(project, &making, &say).await else {
            break;
        };
        let Some(unknown) = unknown_service(&failure, &making.services) else {
            return Err(failure);
        };
        making.services.retain(|s| *s != unknown);
        making.scale.retain(|(s, _)| *s != unknown);
    }
    Ok(making.services)
}

/// The service that Compose says it does not know.
fn unknown_service(failure: &Failure, services: &[String]) -> Option<String> {
    let text = failure.to_string().to_lowercase();
    let names = |s: &&String| text.contains(&format!("no such service: {}", s.to_lowercase()));
    services.iter().find(names).cloned()
}

/// Starts what ran, each after what it depends on. What had ended stays ended: an old migration
/// is not for a newer database.
async fn start_what_ran<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    release: &Release,
    config: &Config,
) -> Result<()> {
    let containers = host.containers(&release.project).await?;
    let ran = |c: &&Container| {
        let mut services = release.services.iter();
        !c.state.is_at_work() && services.any(|s| s.service == c.service && s.running)
    };
    let mut idle: Vec<&Container> = containers.iter().filter(ran).collect();
    if idle.is_empty() {
        return Ok(());
    }
    let order = start_order(config);
    let strangers = host.strangers(&release.project).await;
    let is_shared = strangers.map_or(true, |strangers| !strangers.is_empty());
    // A container cannot start before one whose network it shares.
    let place = |c: &&Container| order.iter().position(|name| *name == c.service);
    idle.sort_by_key(|c| (!c.joins.is_empty(), place(c)));
    let mut first = First::default();
    for container in idle {
        let recorded = release
            .services
            .iter()
            .find(|s| s.service == container.service);
        let given = config
            .service(&container.service)
            .is_some_and(|s| s.given_at_start);
        // Compose would count what another directory has of that service.
        let by_compose = recorded.filter(|_| given && !is_shared);
        first.hear(start_one(run, host, release, container, by_compose).await);
    }
    first.end()
}

/// Starts one container: through Compose where that gives it something, else by the engine alone.
async fn start_one<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    release: &Release,
    container: &Container,
    by_compose: Option<&Running>,
) -> Result<()> {
    let Some(service) = by_compose else {
        return host.start(std::slice::from_ref(&container.id)).await;
    };
    let say = |line: &str| run.say(line);
    let (name, replicas) = (&service.service, service.replicas);
    host.start_service(&release.project, name, replicas, &say)
        .await
}

/// Stops what somebody had stopped before the run, and `up` started.
async fn stop_what_idled<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let at_work = |c: &&Container| !matches!(c.state, State::Created | State::Exited | State::Dead);
    let idled = |service: &str| {
        let mut own = before.containers.iter().filter(|c| c.service == service);
        own.clone().next().is_some() && !own.any(|c| at_work(&c))
    };
    let containers = run.host.containers(&before.release.project).await?;
    let started = containers.iter().filter(at_work);
    let started = started.filter(|c| idled(&c.service));
    let ids: Vec<String> = started.map(|c| c.id.clone()).collect();
    run.host.stop(&ids).await
}

/// The services, each behind what it depends on.
fn start_order(config: &Config) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for _ in &config.services {
        for service in &config.services {
            let met = |d: &String| order.contains(d) || config.service(d).is_none();
            if !order.contains(&service.name) && service.depends_on.iter().all(met) {
                order.push(service.name.clone());
            }
        }
    }
    order
}

/// Groups services so that in each group every reference means one image.
fn layers(services: &[Running]) -> Vec<Vec<&Running>> {
    let mut layers: Vec<Vec<&Running>> = Vec::new();
    for service in services {
        let contradicts = |s: &&Running| s.image == service.image && s.image_id != service.image_id;
        match layers.iter_mut().find(|l| !l.iter().any(contradicts)) {
            Some(layer) => layer.push(service),
            None => layers.push(vec![service]),
        }
    }
    layers
}

/// Says whether containers are made as recorded; whether they run is another question.
fn made_alike(was: &Running, is: &Running) -> bool {
    was.service == is.service
        && was.image_id == is.image_id
        && was.config_hash == is.config_hash
        && was.replicas == is.replicas
}

/// Removes containers of services that the release did not have: this run made them.
async fn remove_others<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let known = |c: &Container| release.services.iter().any(|s| s.service == c.service);
    let containers = run.host.containers(&release.project).await?;
    let ids: Vec<String> = containers
        .into_iter()
        .filter(|c| !known(c))
        .map(|c| c.id)
        .collect();
    run.host.stop(&ids).await?;
    run.host.remove(&ids, Volumes::Go).await
}

/// Removes what a service has more of than it had. Compose would remove some as well, but the first
/// it likes, be it the only one whose name is right.
async fn remove_surplus<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let mut now = run.host.containers(&before.release.project).await?;
    now.retain(|c| leftovers::proper_name(&c.name).is_none());
    let mut surplus = Vec::new();
    for service in &before.release.services {
        let own = || now.iter().filter(|c| c.service == service.service);
        let had = before
            .containers
            .iter()
            .filter(|b| b.service == service.service);
        let names: Vec<&str> = had.map(|b| b.name.as_str()).collect();
        let others = own().filter(|c| !names.contains(&c.name.as_str()));
        let more = own().count().saturating_sub(names.len());
        surplus.extend(others.take(more).map(|c| c.id.clone()));
    }
    run.host.stop(&surplus).await?;
    run.host.remove(&surplus, Volumes::Go).await
}

/// Nobody may be in a network that is made anew.
async fn stop_all<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let containers = run.host.containers(&release.project).await?;
    let ids: Vec<String> = containers.into_iter().map(|c| c.id).collect();
    run.host.stop(&ids).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_ran_different_images_under_one_reference_come_up_one_after_the_other() {
        let ran = |service: &str, image: &str, id: &str| Running {
            service: service.into(),
            image: image.into(),
            image_id: id.into(),
            ..Running::default()
        };
        let services = [
            ran("db", "postgres", "p"),
            ran("web", "app:latest", "new"),
            ran("worker", "app:latest", "old"),
        ];
        let layers = layers(&services);
        let names = |l: &Vec<&Running>| l.iter().map(|s| s.service.clone()).collect::<Vec<_>>();
        let layers: Vec<_> = layers.iter().map(names).collect();
        assert_eq!(layers, [vec!["db", "web"], vec!["worker"]]);
    }
}
