//! Reads the configuration: defaults, then the file, then the environment; every problem is found at once.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Config;

/// What the names of environment variables begin with; `__` stands between section and key.
const ENV_PREFIX: &str = "OPENROUTER_MONITOR__";
/// Settings that may be given as the content of a file, by a key that ends in `_file`.
const SECRETS: [&str; 9] = [
    "store.url",
    "http.metrics_token",
    "openrouter.management_key",
    "mail.smtp_url",
    "notify.webhook_url",
    "notify.webhook_secret",
    "notify.slack_url",
    "notify.alertmanager_url",
    "pull.url",
];
/// How like two keys must be for one to be offered in place of the other (Jaro-Winkler).
const NEAR_MISS: f64 = 0.8;

/// Something that is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as `section.key`, or the file.
    pub path: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// Reads the file, if one is named, and the variables of the environment.
///
/// # Errors
/// All problems there are.
pub fn load(file: Option<&Path>, env: &[(String, String)]) -> Result<Config, Vec<Problem>> {
    let mut loader = Loader::default();
    if let Some(file) = file {
        loader.read_file(file);
    }
    for (name, value) in env {
        loader.read_variable(name, value);
    }
    let mut config = loader.finish()?;
    if config.store.state_directory.is_none() {
        config.store.state_directory = Some(default_state_directory(env));
    }
    if !config.keys.is_given() {
        config.keys.master_key_file = credential(env, "master_key");
    }
    Ok(config)
}

/// systemd's, else the user's own, else a folder here.
fn default_state_directory(env: &[(String, String)]) -> PathBuf {
    let variable =
        |name: &str| env.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value);
    if let Some(directory) = variable("STATE_DIRECTORY") {
        return PathBuf::from(directory.split(':').next().unwrap_or(directory));
    }
    let base = variable("XDG_STATE_HOME").map(PathBuf::from);
    let base = base.or_else(|| variable("HOME").map(|home| Path::new(home).join(".local/state")));
    base.map_or_else(|| PathBuf::from("state"), |base| base.join("openrouter-monitor"))
}

/// The file of a credential that systemd hands over, if it does.
fn credential(env: &[(String, String)], name: &str) -> Option<PathBuf> {
    let (_, directory) = env.iter().find(|(key, _)| key == "CREDENTIALS_DIRECTORY")?;
    Some(Path::new(directory).join(name)).filter(|file| file.exists())
}

/// The settings so far, over the defaults; the defaults' tree also says which keys there are.
struct Loader {
    defaults: Value,
    settings: Value,
    problems: Vec<Problem>,
}

impl Default for Loader {
    fn default() -> Self {
        let defaults = serde_json::to_value(Config::default()).expect("the defaults are plain data");
        Self { settings: defaults.clone(), defaults, problems: Vec::new() }
    }
}

impl Loader {
    fn problem(&mut self, path: &str, reason: impl Into<String>) {
        self.problems.push(Problem { path: path.to_owned(), reason: reason.into() });
    }

    fn read_file(&mut self, file: &Path) {
        let name = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.problem(&name, format!("cannot be read: {error}")),
        };
        match toml::from_str::<Value>(&text) {
            Ok(Value::Object(table)) => self.read_table("", &table),
            Ok(_) => self.problem(&name, "is not a table of sections"),
            Err(error) => self.problem(&name, format!("is not TOML: {}", error.to_string().trim_end())),
        }
    }

    fn read_table(&mut self, path: &str, table: &Map<String, Value>) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (self.default_at(&path), value) {
                (Some(Value::Object(_)), Value::Object(inner)) => self.read_table(&path, inner),
                (Some(Value::Object(_)), _) => self.problem(&path, "is a section, not a value"),
                _ => self.set(&path, value.clone()),
            }
        }
    }

    fn read_variable(&mut self, name: &str, text: &str) {
        let Some(key) = name.strip_prefix(ENV_PREFIX) else { return };
        let path = key.to_ascii_lowercase().replace("__", ".");
        let value = match self.default_at(&path) {
            Some(Value::Number(_) | Value::Bool(_)) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
            Some(Value::Array(_)) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
            _ => Value::from(text),
        };
        self.set(&path, value);
    }

    fn default_at(&self, path: &str) -> Option<&Value> {
        self.defaults.pointer(&pointer(path))
    }

    /// Sets one value, if there is such a setting and it takes the value.
    fn set(&mut self, path: &str, value: Value) {
        if let Some(secret) = path.strip_suffix("_file").filter(|secret| SECRETS.contains(secret)) {
            return self.set_from_file(path, secret, &value);
        }
        if !matches!(self.default_at(path), Some(default) if !default.is_object()) {
            let hint = self.near_miss(path).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            return self.problem(path, format!("there is no such setting{hint}"));
        }
        let mut alone = self.defaults.clone();
        replace(&mut alone, path, value.clone());
        match serde_json::from_value::<Config>(alone) {
            Ok(_) => replace(&mut self.settings, path, value),
            Err(error) => self.problem(path, error.to_string()),
        }
    }

    fn set_from_file(&mut self, path: &str, secret: &str, file: &Value) {
        let Some(file) = file.as_str() else { return self.problem(path, "is not the path of a file") };
        match std::fs::read_to_string(file) {
            Ok(text) => self.set(secret, Value::from(text.trim())),
            Err(error) => self.problem(path, format!("{file} cannot be read: {error}")),
        }
    }

    fn near_miss(&self, path: &str) -> Option<String> {
        let mut paths = Vec::new();
        leaves("", &self.defaults, &mut paths);
        paths.extend(SECRETS.iter().map(|secret| format!("{secret}_file")));
        let likeness = |known: &String| strsim::jaro_winkler(known, path);
        paths
            .into_iter()
            .filter(|known| likeness(known) >= NEAR_MISS)
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
    }

    fn finish(mut self) -> Result<Config, Vec<Problem>> {
        let config = serde_json::from_value::<Config>(self.settings).expect("each value was tried alone");
        self.problems.extend(config.problems().into_iter().map(|(path, reason)| Problem { path, reason }));
        if self.problems.is_empty() { Ok(config) } else { Err(self.problems) }
    }
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

fn replace(tree: &mut Value, path: &str, value: Value) {
    if let Some(place) = tree.pointer_mut(&pointer(path)) {
        *place = value;
    }
}

fn leaves(path: &str, tree: &Value, found: &mut Vec<String>) {
    match tree {
        Value::Object(table) => {
            for (key, value) in table {
                leaves(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let env: Vec<_> = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load(Some(file.path()), &env).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_need_be_set() {
        let config = load(None, &[("HOME".to_owned(), "/home/u".to_owned())]).unwrap();
        assert_eq!(config.store_url(), "sqlite:/home/u/.local/state/openrouter-monitor/monitor.db");
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:9787");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let env = [
            ("OPENROUTER_MONITOR__HTTP__LISTEN", "0.0.0.0:80"),
            ("OPENROUTER_MONITOR__MAIL__ADMINS", "a@example.org, b@example.org"),
            ("OPENROUTER_MONITOR__JOBS__MODELS__ZONE", "Europe/Vienna"),
            ("OPENROUTER_MONITOR__MAIL__CONNECTIONS", "9"),
        ];
        let config = load_text("[http]\nlisten = '127.0.0.1:1'\n[mail]\nadmins = ['c@example.org']", &env).unwrap();
        assert_eq!(config.http.listen.to_string(), "0.0.0.0:80");
        assert_eq!(config.mail.admins, ["a@example.org", "b@example.org"]);
        assert_eq!((config.jobs.models.zone, config.mail.connections), (chrono_tz::Europe::Vienna, 9));
    }

    #[test]
    fn every_problem_is_found_at_once_with_its_path() {
        let text = "[http]\nlisten = 'nowhere'\nlisten_adress = 1\n[mail]\nadmins = ['x']\nconnections = 'many'\n\
            [jobs.models]\ncron = '* * *'\n[store]\nurl = 'mysql://h'\n[modles]\na = 1";
        let problems =
            load_text(text, &[("OPENROUTER_MONITOR__MAIL__SMTP_URL_FILE", "/nonexistent/file")]).unwrap_err();
        let expected = [
            "http.listen: ",
            "http.listen_adress: there is no such setting; did you mean http.listen?",
            "mail.connections: ",
            "modles: there is no such setting",
            "mail.smtp_url_file: /nonexistent/file cannot be read",
            "store.url: is neither",
            "mail.admins: \"x\" is not a mail address",
            "jobs.models.cron: ",
        ];
        for part in expected {
            assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part} is not in {problems:#?}");
        }
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    }

    #[test]
    fn a_secret_can_stand_in_a_file_and_is_never_shown() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "smtps://user:canary@mail.example.org\n").unwrap();
        let config = load_text(&format!("[mail]\nsmtp_url_file = '{}'", secret.path().display()), &[]).unwrap();
        assert!(config.mail.smtp_url.is_some());
        let shown = format!("{config:?} {}", toml::to_string(&config).unwrap());
        assert!(!shown.contains("canary") && shown.contains("********"), "{shown}");
    }
}
