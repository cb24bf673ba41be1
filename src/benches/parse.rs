//! How fast rows are read, beside reading the same JSON into a generic value.
//!
//! `cargo bench --bench parse`

mod load;

use std::hint::black_box;
use std::time::Instant;

use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::domain::execution::parse;

const ROWS: usize = 200_000;

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "the result")]
fn main() {
    let (rows, now) = (load::rows(load::Ids::InTimeOrder, ROWS), SystemClock.now());
    let timed = |what: &dyn Fn(&str)| {
        let began = Instant::now();
        rows.iter().for_each(|row| what(row));
        ROWS as f64 / began.elapsed().as_secs_f64()
    };
    let generic = timed(&|row| drop(black_box(serde_json::from_str::<serde_json::Value>(row))));
    let read = timed(&|row| drop(black_box(parse(row, now))));
    println!(
        "rows/s on one core: as a generic value {generic:.0}, as an execution {read:.0} = {:.0} %",
        100.0 * read / generic
    );
}
