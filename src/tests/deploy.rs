//! What stands beside the program: the example configuration, alerting rules and dashboards name what there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use openrouter_monitor::config::Config;
use openrouter_monitor::config::load::load;
use openrouter_monitor::job::JOBS;
use openrouter_monitor::metrics::Metrics;
use promql_parser::parser::{Expr, parse};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn the_example_configuration_is_the_default_one() {
    let example = load(Some(&root().join("deploy/config.example.toml")), &[]).expect("a valid file");
    let shown = |config: &Config| {
        let mut shown = serde_json::to_value(config).unwrap();
        shown["store"]["state_directory"] = Value::Null;
        shown
    };
    assert_eq!(shown(&example), shown(&Config::default()));
}

#[test]
fn the_example_configuration_names_every_setting() {
    let text = std::fs::read_to_string(root().join("deploy/config.example.toml")).unwrap();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let mut missing = Vec::new();
    for (section, settings) in defaults.as_object().unwrap() {
        for key in settings.as_object().unwrap().keys() {
            let named = text.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                line.starts_with(&format!("{key} ="))
                    || line.starts_with(&format!("[{section}.{key}]"))
                    || line.starts_with(&format!("{key}_file ="))
            });
            if !named {
                missing.push(format!("{section}.{key}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The names of the families that a fresh daemon exports, with those that a histogram's series have.
fn exported() -> BTreeSet<String> {
    let metrics = Metrics::default();
    for spec in JOBS {
        metrics.begin_job(spec.name);
    }
    metrics.started_at(0.0);
    let text = metrics.render().unwrap();
    let mut names: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap_or_default().to_owned())
        .collect();
    // These have series only once there is something to tell of.
    names.extend(["openrouter_model_expiry_timestamp_seconds".to_owned()]);
    let rules = std::fs::read_to_string(root().join("deploy/prometheus-rules.yaml")).unwrap();
    let recorded = rules.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("record:"));
    names.extend(recorded.map(|name| name.trim().to_owned()));
    names.extend(["up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS"].map(str::to_owned));
    names
}

/// The names of the series that an expression reads.
fn selected(expression: &str) -> BTreeSet<String> {
    fn walk(expr: &Expr, found: &mut BTreeSet<String>) {
        match expr {
            Expr::VectorSelector(selector) => found.extend(selector.name.clone()),
            Expr::MatrixSelector(selector) => found.extend(selector.vs.name.clone()),
            Expr::Aggregate(inner) => walk(&inner.expr, found),
            Expr::Unary(inner) => walk(&inner.expr, found),
            Expr::Binary(inner) => {
                walk(&inner.lhs, found);
                walk(&inner.rhs, found);
            }
            Expr::Paren(inner) => walk(&inner.expr, found),
            Expr::Subquery(inner) => walk(&inner.expr, found),
            Expr::Call(call) => call.args.args.iter().for_each(|argument| walk(argument, found)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }
    let plain = expression
        .replace("$__range_s", "3600")
        .replace("$__interval_ms", "60000")
        .replace("$__rate_interval", "5m")
        .replace("$__range", "1h")
        .replace("$__interval", "1m");
    let mut found = BTreeSet::new();
    walk(&parse(&plain).unwrap_or_else(|error| panic!("{expression}: {error}")), &mut found);
    found
}

fn check(what: &str, expression: &str) {
    let unknown: Vec<String> = selected(expression).difference(&exported()).cloned().collect();
    assert!(unknown.is_empty(), "{what}: {unknown:?} is exported by nobody: {expression}");
}

#[test]
fn every_alerting_rule_reads_series_that_exist() {
    let text = std::fs::read_to_string(root().join("deploy/prometheus-rules.yaml")).unwrap();
    // Expressions stand on the line of `expr:` or indented below `expr: |` or `>-`.
    let mut lines = text.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(rest) = line.trim_start().strip_prefix("expr:") else { continue };
        let depth = line.len() - line.trim_start().len();
        let mut expression = rest.trim().trim_start_matches(['|', '>', '-']).trim().to_owned();
        while let Some(more) =
            lines.next_if(|more| more.trim().is_empty() || more.len() - more.trim_start().len() > depth)
        {
            expression.push(' ');
            expression.push_str(more.trim());
        }
        check("rule", expression.trim().trim_matches(['\'', '"']));
        count += 1;
    }
    assert!(count >= 5, "{count} rules");
}

#[test]
fn every_panel_reads_series_that_exist_and_says_what_it_shows() {
    let mut panels = 0;
    for entry in std::fs::read_dir(root().join("dashboards")).unwrap() {
        let file = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
            let title = format!("{name}: {}", panel["title"]);
            assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{title}");
            assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no description");
            for target in panel["targets"].as_array().into_iter().flatten() {
                check(&title, target["expr"].as_str().unwrap());
            }
            panels += 1;
        }
    }
    assert!(panels > 10, "{panels}");
}
