//! The ways in which a version can be good or bad, by their names in
//! `BEHAVIOUR`. It refuses to know how each is acted out.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Good,
    ExitsAtStart,
    ExitsAfter5s,
    Health500,
    Health500After5s,
    NeverBinds,
    BindsAfter5s,
    IgnoresSigterm,
    WritesData,
    MigrateFails,
}

impl Behaviour {
    /// Reads `BEHAVIOUR`; without it the application is good.
    pub fn from_env() -> io::Result<Self> {
        Self::named(&std::env::var("BEHAVIOUR").unwrap_or_default())
    }

    fn named(name: &str) -> io::Result<Self> {
        Ok(match name {
            "" | "good" => Self::Good,
            "exits-at-start" => Self::ExitsAtStart,
            "exits-after-5s" => Self::ExitsAfter5s,
            "health-500" => Self::Health500,
            "health-500-after-5s" => Self::Health500After5s,
            "never-binds" => Self::NeverBinds,
            "binds-after-5s" => Self::BindsAfter5s,
            "ignores-sigterm" => Self::IgnoresSigterm,
            "writes-data" => Self::WritesData,
            "migrate-fails" => Self::MigrateFails,
            other => {
                return Err(io::Error::other(format!(
                    "`{other}` is no behaviour; leave BEHAVIOUR out for a good one"
                )));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Behaviour;

    #[test]
    fn without_a_behaviour_it_is_good() {
        assert_eq!(Behaviour::named("").ok(), Some(Behaviour::Good));
    }

    #[test]
    fn an_unknown_behaviour_is_refused() {
        assert!(Behaviour::named("moody").is_err());
    }
}
