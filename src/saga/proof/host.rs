//! The server of a proof: each call is a row of small effects on the world in memory.
//!
//! It refuses to decide anything, and to fail by itself where the server would not.

mod backups;
mod call;
mod engine;
mod files;
mod images;
mod names;
mod shown;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::life;
use super::world::{COMPOSE, Owner};
use crate::files::archive::catalogue::Listed;
use crate::files::archive::choice::Standings;
use crate::files::archive::restore::Data;
use crate::files::rundir::RunDir;
use crate::files::tree::home::Identity;
use crate::files::tree::{Differing, Home};
use crate::host::compose::Version;
use crate::host::{
    Config, Container, Engine, Fetched, Host, Image, Login, Making, Network, Occupant, Others,
    Recreate, Restored, Telling, Volumes, Writer,
};
use crate::words::backup::Order;
use crate::words::backup::Parts;
use crate::words::backup::{Description, Release};
use crate::words::event::{Failure, FailureKind};
use crate::words::plan::{Expect, Plan, Private, Site};
use crate::words::secret::Secret;
use crate::words::{Lines, Result};
use call::{act, by_path, lead_here, scene, see};
use names::Names;

/// The server of this thread's life, for compose files in which services may have other names.
#[derive(Default)]
pub struct Fake(Names);

impl Host for Fake {
    fn at(&self, site: &Site) -> Self {
        Self(names::of(site))
    }

    fn stand_on(&self, _: &Home) {
        life::stand();
    }

    async fn confirm(&self) -> Result<()> {
        lead_here()
    }

    async fn confirm_is(&self, _: &Identity) -> Result<()> {
        if life::is_astray() {
            return Err(Failure::new("another directory").of(FailureKind::Moved));
        }
        Ok(())
    }

    async fn check_site(&self) -> Result<()> {
        act("check site", Vec::new())
    }

    async fn check_room(&self, _: &[String]) -> Result<()> {
        act("check room", Vec::new())
    }

    async fn check_image_room(&self, _: u64) -> Result<()> {
        act("check image room", Vec::new())
    }

    async fn lay_stage(&self, _: &Plan, _: &Private, run: &RunDir) -> Result<PathBuf> {
        files::lay_stage(run)
    }

    async fn strike_stage(&self, run: &RunDir) -> Result<()> {
        files::strike_stage(run)
    }

    async fn put_files(&self, _: &Plan, _: &Private, _: &RunDir) -> Result<Vec<String>> {
        files::put_files()
    }

    async fn backup(
        &self,
        plan: &Plan,
        order: &Order<'_>,
        _: &RunDir,
    ) -> Result<(Description, Vec<String>)> {
        backups::backup(plan, order)
    }

    fn archive_path(&self, description: &Description) -> PathBuf {
        PathBuf::from(&description.timestamp)
    }

    async fn restore(
        &self,
        description: &Description,
        _: &Parts,
        _: Data,
        _: &RunDir,
    ) -> Result<Restored> {
        files::restore(description).map(|changed| Restored {
            changed,
            left: Vec::new(),
        })
    }

    async fn differing(
        &self,
        description: &Description,
        _: &Parts,
        _: &RunDir,
    ) -> Result<Vec<Differing>> {
        backups::differing(description)
    }

    async fn generation(&self) -> Result<Option<String>> {
        see("generation", |w| w.generation.clone())
    }

    async fn set_generation(&self, run: Option<&str>) -> Result<()> {
        files::set_generation(run)
    }

    async fn listed_within(
        &self,
        description: &Description,
        _: &[String],
        _: &[String],
    ) -> Result<Vec<String>> {
        backups::listed(description)
    }

    async fn backups(&self) -> Result<Vec<Listed>> {
        backups::list()
    }

    async fn check_backup(&self, description: &Description) -> Result<()> {
        backups::check(description)
    }

    async fn standings<'l>(
        &self,
        listed: &'l [Listed],
        release: &Release,
    ) -> Result<Standings<'l>> {
        backups::standings(listed, release)
    }

    async fn clear_partial(&self, last: &str) -> Result<()> {
        backups::clear_partial(last)
    }

    async fn drop_backup(&self, timestamp: &str) -> Result<()> {
        backups::discard(timestamp)
    }

    async fn references(&self, repository: &str) -> Result<Vec<String>> {
        images::references(repository)
    }

    async fn engine(&self) -> Result<Engine> {
        act("engine", Vec::new())?;
        let compose = Version::parse("2.40.3").expect("a version");
        Ok(Engine {
            docker: "28.5.0".into(),
            compose,
            socket: "`/var/run/docker.sock`".into(),
        })
    }

    async fn config(&self, dir: &Path) -> Result<Config> {
        let scene = scene();
        let staged = (*dir != scene.plan.site.deploy_dir).then(|| scene.shipped.clone());
        let text = by_path(|| {
            see("config", |world| {
                let mut files = world.files.clone();
                files.extend(staged.unwrap_or_default());
                files.remove(COMPOSE)
            })
        })?;
        text.map(|text| shown::config_of(&text))
            .ok_or_else(|| Failure::new("no compose file"))
    }

    async fn every_profile(&self, _: &Path) -> Result<Option<Config>> {
        Ok(None)
    }

    async fn containers(&self, _: &str) -> Result<Vec<Container>> {
        see("containers", |w| w.own().map(shown::container).collect())
    }

    async fn occupants(&self) -> Result<Vec<Occupant>> {
        see("occupants", |w| {
            w.containers.iter().map(shown::occupant).collect()
        })
    }

    async fn strangers(&self, _: &str) -> Result<Vec<Container>> {
        see("strangers", |w| {
            let all = w.containers.iter();
            let theirs = all.filter(|c| c.owner == Owner::SameProject);
            theirs.map(shown::container).collect()
        })
    }

    async fn writers(&self) -> Result<Vec<Writer>> {
        let dir = scene().plan.site.deploy_dir.clone();
        see("writers", |w| {
            w.own().map(|c| shown::writer(c, &dir)).collect()
        })
    }

    async fn networks(&self, _: &str) -> Result<Vec<Network>> {
        see("networks", |w| {
            let network = |name: &String| Network {
                id: name.clone(),
                name: name.clone(),
            };
            w.networks.iter().map(network).collect()
        })
    }

    async fn volumes(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>> {
        see("image", |w| shown::image(w, reference))
    }

    async fn pull(
        &self,
        reference: &str,
        _: Option<&str>,
        _: Option<&Login>,
        telling: Telling<'_>,
    ) -> Result<Fetched> {
        images::pull(reference, telling)
    }

    async fn tag(&self, id: &str, reference: &str) -> Result<()> {
        images::tag(id, reference)
    }

    async fn untag(&self, reference: &str) -> Result<()> {
        images::untag(reference)
    }

    async fn build(&self, _: &str, _: &[String], _: Lines<'_>) -> Result<()> {
        by_path(|| act("build", Vec::new()))
    }

    async fn up(
        &self,
        _: &str,
        services: &[String],
        recreate: Recreate,
        _: Others,
        _: Lines<'_>,
    ) -> Result<()> {
        by_path(|| engine::up(services, recreate, &self.0))
    }

    async fn create(&self, _: &str, making: &Making, _: Lines<'_>) -> Result<()> {
        by_path(|| engine::create(making, &self.0))
    }

    async fn start(&self, containers: &[String]) -> Result<()> {
        engine::start(containers)
    }

    async fn start_service(&self, _: &str, service: &str, _: u32, _: Lines<'_>) -> Result<()> {
        by_path(|| engine::start_service(service))
    }

    async fn make_way(&self, _: &[String]) -> Result<()> {
        Ok(())
    }

    async fn remove_empty(&self, _: &[String]) -> Result<()> {
        Ok(())
    }

    async fn stop(&self, containers: &[String]) -> Result<()> {
        engine::stop(containers)
    }

    async fn remove(&self, containers: &[String], volumes: Volumes) -> Result<()> {
        engine::remove(containers, volumes)
    }

    async fn remove_network(&self, name: &str) -> Result<()> {
        engine::remove_network(name)
    }

    async fn remove_volume(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        engine::rename(container, name)
    }

    async fn logs(&self, _: &str, _: u32) -> Result<Vec<String>> {
        see("logs", |_| Vec::new())
    }

    async fn exec(&self, _: &str, _: &[String]) -> Result<(i64, String)> {
        see("exec", |_| (0, String::new()))
    }

    async fn hook(
        &self,
        _: &RunDir,
        _: &Secret,
        _: &[(String, String)],
        _: &[(String, Login)],
        _: Lines<'_>,
    ) -> Result<()> {
        let stranger = scene().stranger.clone();
        let comes = stranger.map(|service| {
            call::effect(move |w| {
                if w.containers.iter().all(|c| c.owner == Owner::Ours) {
                    w.settle(Owner::SameProject, &service, "theirs");
                }
            })
        });
        by_path(|| act("hook", comes.into_iter().collect()))
    }

    async fn http(&self, _: &str, _: &Expect) -> Result<String> {
        see("http", |_| String::new())
    }

    async fn tcp(&self, _: &str) -> Result<String> {
        see("tcp", |_| String::new())
    }

    async fn stop_grace(&self, _: &[String]) -> Result<Duration> {
        see("stop grace", |_| Duration::ZERO)
    }

    async fn images_in_use(&self) -> Result<Vec<String>> {
        see("images in use", |w| w.used_images().into_iter().collect())
    }
}
