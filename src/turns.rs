//! Keeps threads that take turns on one processor.

use std::marker::PhantomData;

/// Holds this thread, and what threads it starts meanwhile, on the processor that it runs on, until dropped.
///
/// `replay` and `demo` play one step at a time: our thread asks and SQLite's answers. On two processors each question
/// and each answer wakes one that had gone to sleep, which costs more than most answers: on one, the days pass in two
/// thirds of the time. Two plays that begin on the same one share it. Where the system has no such call, nothing
/// changes.
#[derive(Debug)]
pub(crate) struct InTurns {
    #[cfg(target_os = "linux")]
    before: Option<rustix::thread::CpuSet>,
    /// It belongs to the thread that made it.
    stays: PhantomData<*const ()>,
}

impl InTurns {
    #[cfg(target_os = "linux")]
    pub(crate) fn begin() -> Self {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
        let (mut here, processor) = (CpuSet::new(), sched_getcpu());
        let before = sched_getaffinity(None).ok().filter(|_| {
            processor < CpuSet::MAX_CPU && {
                here.set(processor);
                sched_setaffinity(None, &here).is_ok()
            }
        });
        Self { before, stays: PhantomData }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn begin() -> Self {
        Self { stays: PhantomData }
    }
}

impl Drop for InTurns {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(before) = &self.before {
            rustix::thread::sched_setaffinity(None, before).ok();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_and_those_it_starts_stay_until_the_end() {
        let processors = || sched_getaffinity(None).unwrap().count();
        let before = processors();
        let turns = InTurns::begin();
        assert_eq!(processors(), 1);
        assert_eq!(std::thread::spawn(processors).join().unwrap(), 1);
        drop(turns);
        assert_eq!(processors(), before);
    }
}
