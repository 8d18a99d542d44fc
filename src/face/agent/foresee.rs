//! Hears a plan, and tells what it would change here instead of carrying it out.
//!
//! What comes with the plan lies in a directory that is lent to this process, and is removed by who
//! lent it. The file refuses to know what is looked at.

use std::io;
use std::path::Path;

use crate::face::agent::{launch, read_plan};
use crate::files::rundir::RunDir;
use crate::host::real::Server;
use crate::remote::agent::state_dir;
use crate::remote::rundir;
use crate::saga::foresee::foresee;
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::report::foreseen::Foreseen;

/// Reads a plan of this id from standard input, and looks.
pub async fn answer(state: &Path, site: &Site, id: &str) -> Result<Foreseen, Failure> {
    let dir = rundir::RunDir::new(state, id)?;
    dir.create()?;
    let lines = launch::receive_all(&dir, &mut io::stdin().lock())?;
    let (plan, private) = read_plan(&mut &lines[..])?;
    let host = Server::new(&plan.site)?;
    let (dir, own) = (RunDir::of(state, id), state_dir(site));
    Ok(Box::pin(foresee(&host, &plan, &private, &dir, &own)).await)
}
