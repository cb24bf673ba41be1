//! `check-config`: what the configuration means.

use std::io::Write;

use super::Failure;
use crate::clock::Clock;
use crate::config::Config;

/// Prints the effective configuration, secrets masked, and the next three runs of each job.
pub(super) fn run(config: &Config, clock: &dyn Clock, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "# the effective configuration\n{}", toml::to_string(config)?)?;
    writeln!(out, "# the next three runs of each job")?;
    for name in config.jobs.all().keys() {
        let Some(schedule) = config.schedule(name) else { continue };
        let runs = std::iter::successors(schedule.next(clock.now()), |run| schedule.next(*run)).take(3);
        let runs: Vec<String> = runs.map(|run| run.format("%Y-%m-%dT%H:%M:%SZ").to_string()).collect();
        writeln!(out, "# {name:15} {}", runs.join("  "))?;
    }
    Ok(())
}
