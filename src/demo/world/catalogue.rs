//! The rows of the world: models, twins, aliases and routers, and those that are there from the beginning.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use fastrand::Rng;

use super::family::{FAMILIES, Family, ROUTER, Size, Skill};
use super::price::{CENT_PER_MILLION, Paid, Rates, Tariff, Tier, plain};
use super::row::{Kind, Row, Steps};

/// Batch twins in the list; an outage takes all of them at once.
const BATCH_TWINS: usize = 14;
/// Free twins in the list.
const FREE_TWINS: usize = 8;
/// How much of the older generations is still there.
const LEFT_PERCENT: u32 = 70;
/// A web search, where a model can do one: a cent.
const SEARCH: u64 = 1_000_000 * CENT_PER_MILLION;
/// The routers are older than all models.
const ROUTER_AGE: TimeDelta = TimeDelta::days(500);
/// A date that means that there is none.
const SENTINEL: Option<NaiveDate> = NaiveDate::from_ymd_opt(2098, 12, 31);

/// The list as it stands at `start`.
pub(super) fn initial(start: DateTime<Utc>, rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for family in FAMILIES {
        let mut age = TimeDelta::days(rng.i64(8..100));
        for generation in (family.oldest..=family.newest).rev() {
            let created = start - age - TimeDelta::seconds(rng.i64(0..80_000));
            let rows_then = launch(family, generation, created, rng);
            let is_left = |_: &Row| generation == family.newest || rng.u32(..100) < LEFT_PERCENT;
            rows.extend(rows_then.into_iter().filter(is_left));
            age += TimeDelta::days(rng.i64(80..170));
        }
    }
    let newest = |skill| {
        let rows = rows.iter().enumerate();
        rows.filter(move |(_, row)| row.family.is(skill) && row.generation == row.family.newest).map(|(index, _)| index)
    };
    let mut others: Vec<Row> =
        newest(Skill::Batch).take(BATCH_TWINS).map(|model| batch_twin(&rows, model, rows[model].born)).collect();
    let small = newest(Skill::Open).filter(|model| rows[*model].is_smallest());
    others.extend(small.take(FREE_TWINS).map(|model| free_twin(&rows, model, rows[model].born)));
    others.extend(newest(Skill::Alias).filter(|model| rows[*model].is_largest()).map(|model| alias(&rows, model)));
    others.push(router("auto", "Auto Router", start - ROUTER_AGE));
    others.push(router("auto-draft", "Auto Router (draft)", start - ROUTER_AGE));
    rows.extend(others);
    rows
}

/// The models of a generation, which appear within seconds of one another.
pub(super) fn launch(family: &'static Family, generation: u32, at: DateTime<Utc>, rng: &mut Rng) -> Vec<Row> {
    let later = |place: usize| at + TimeDelta::seconds(3 * i64::try_from(place).unwrap_or(0));
    family
        .sizes
        .iter()
        .rev()
        .enumerate()
        .map(|(place, size)| model(family, size, generation, later(place), rng))
        .collect()
}

fn model(family: &'static Family, size: &'static Size, generation: u32, born: DateTime<Utc>, rng: &mut Rng) -> Row {
    let version = family.version(generation);
    let id = format!("{}/{}-{version}{}", family.author, family.slug, size.suffix);
    Row {
        slug: format!("{id}-{}", born.format("%Y%m%d")),
        id,
        name: format!("{}: {} {version}{}", family.vendor, family.name, size.label),
        generation,
        expiry: Steps::new(if family.is(Skill::Sentinel) { SENTINEL } else { None }),
        ..row(family, size, Kind::Plain, tariff(family, size, generation, rng), born)
    }
}

/// A generation costs about what the one before did.
fn tariff(family: &Family, size: &Size, generation: u32, rng: &mut Rng) -> Tariff {
    let percent = [80, 90, 100, 100, 110, 120][rng.usize(..6)];
    let prompt = plain(family.cents * CENT_PER_MILLION * size.percent / 100 * percent / 100);
    let sold_with_cache = family.is(Skill::Tools);
    let base = Rates {
        prompt,
        completion: plain(prompt * family.ratio),
        cache_read: if sold_with_cache { plain(prompt / 10) } else { 0 },
        cache_write: if family.is(Skill::Alias) { plain(prompt * 5 / 4) } else { 0 },
    };
    let search = if family.is(Skill::Vision) && family.is(Skill::Reasoning) { SEARCH } else { 0 };
    let tier = family.is(Skill::Tiers).then_some(Tier { above: 200_000, percent: 200 });
    Tariff::Paid(Paid { base, search, tier, hourly: family.is(Skill::Hours) && generation == family.newest })
}

/// The variant of a model that costs nothing.
pub(super) fn free_twin(rows: &[Row], model: usize, born: DateTime<Utc>) -> Row {
    twin(&rows[model], Kind::Free(model), Tariff::Free, born)
}

/// The variant of a model for batches, at half the price.
pub(super) fn batch_twin(rows: &[Row], model: usize, born: DateTime<Utc>) -> Row {
    let half = rows[model].tariff.at(born).scaled(50);
    twin(&rows[model], Kind::Batch(model), half, born)
}

fn twin(model: &Row, kind: Kind, tariff: Tariff, born: DateTime<Utc>) -> Row {
    let variant = if tariff == Tariff::Free { "free" } else { "batch" };
    Row {
        id: format!("{}:{variant}", model.id),
        slug: model.slug.clone(),
        name: format!("{} ({variant})", model.name),
        generation: model.generation,
        ..row(model.family, model.size, kind, tariff, born)
    }
}

/// The row that follows the largest model of a family; one of them carries the sentinel, as real ones do.
fn alias(rows: &[Row], target: usize) -> Row {
    let model = &rows[target];
    let (family, size) = (model.family, model.size);
    let id = format!("~{}/{}{}-latest", family.author, family.slug, size.suffix);
    Row {
        slug: id.clone(),
        id,
        name: format!("{} {}{} Latest", family.vendor, family.name, size.label),
        expiry: Steps::new(if family.is(Skill::Tiers) { SENTINEL } else { None }),
        ..row(family, size, Kind::Alias(Steps::new(target)), Tariff::Dynamic, model.born)
    }
}

fn router(slug: &str, name: &str, born: DateTime<Utc>) -> Row {
    let id = format!("{}/{slug}", ROUTER.author);
    Row {
        slug: id.clone(),
        id,
        name: name.to_owned(),
        ..row(&ROUTER, &ROUTER.sizes[0], Kind::Router, Tariff::Dynamic, born)
    }
}

/// What all rows have in common; the caller names it.
fn row(family: &'static Family, size: &'static Size, kind: Kind, tariff: Tariff, born: DateTime<Utc>) -> Row {
    Row {
        id: String::new(),
        slug: String::new(),
        name: String::new(),
        kind,
        family,
        size,
        generation: 0,
        created: born,
        born,
        gaps: Vec::new(),
        expiry: Steps::new(None),
        tariff: Steps::new(tariff),
        lost: Steps::new(None),
        renamed: None,
    }
}
