//! `[feeds]`: where announcements of vendors are read from.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::check_http;
use crate::feeds::Feed;

/// What stands for no feed.
const OFF: &str = "off";

/// Each is an http(s) address, the path of a file, or `off`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feeds {
    /// deprecations.info: `/v1/deprecations.json` or `/v1/feed.json`.
    pub deprecations_info: String,
    /// model-eol: a file for each vendor.
    #[serde(deserialize_with = "one_or_many")]
    pub model_eol: Vec<String>,
    /// `LiteLLM`'s map of prices.
    pub litellm: String,
}

/// Where a feed, or a part of it, is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An http(s) address.
    Url(String),
    /// A file.
    File(PathBuf),
}

impl Default for Feeds {
    fn default() -> Self {
        let model_eol =
            |vendor| format!("https://raw.githubusercontent.com/thossullivan/model-eol/main/feeds/{vendor}.json");
        Self {
            deprecations_info: "https://deprecations.info/v1/deprecations.json".to_owned(),
            model_eol: ["anthropic", "openai", "google", "amazon"].map(model_eol).to_vec(),
            litellm: "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
                .to_owned(),
        }
    }
}

impl Feeds {
    /// Where a feed is read from; nothing when it is off.
    #[must_use]
    pub fn places(&self, feed: Feed) -> Vec<Place> {
        self.written(feed).iter().filter_map(|written| place(written)).collect()
    }

    /// The same without what lies on the network.
    #[must_use]
    pub fn only_files(&self) -> Self {
        let file = |written: &String| matches!(place(written), Some(Place::File(_)));
        let one = |written: &String| if file(written) { written.clone() } else { OFF.to_owned() };
        Self {
            deprecations_info: one(&self.deprecations_info),
            model_eol: self.model_eol.iter().filter(|written| file(written)).cloned().collect(),
            litellm: one(&self.litellm),
        }
    }

    /// Says what is wrong, as path and reason.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let written = Feed::ALL.iter().flat_map(|feed| self.written(*feed).iter().map(move |written| (feed, written)));
        let wrong = written.filter_map(|(feed, written)| {
            let reason = match place(written) {
                Some(Place::Url(url)) => check_http(&url).err()?,
                Some(Place::File(path)) if path.as_os_str().is_empty() || written.contains("://") => {
                    format!("{written:?} is no http or https address, path of a file, or \"{OFF}\"")
                }
                Some(Place::File(_)) | None => return None,
            };
            Some((format!("feeds.{}", feed.as_str()), reason))
        });
        wrong.collect()
    }

    fn written(&self, feed: Feed) -> &[String] {
        match feed {
            Feed::DeprecationsInfo => std::slice::from_ref(&self.deprecations_info),
            Feed::ModelEol => &self.model_eol,
            Feed::Litellm => std::slice::from_ref(&self.litellm),
        }
    }
}

fn place(written: &str) -> Option<Place> {
    match written.trim() {
        OFF => None,
        url if url.starts_with("http://") || url.starts_with("https://") => Some(Place::Url(url.to_owned())),
        path => Some(Place::File(PathBuf::from(path))),
    }
}

/// `off` or a single place may stand without brackets.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(place) => vec![place],
        Written::Many(places) => places,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Feeds {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn each_feed_is_an_address_a_file_or_off() {
        let feeds = read(
            "deprecations_info = 'off'\nmodel_eol = ['a.json', 'https://feeds.example/b.json', 'off']\nlitellm = '/x/c.json'",
        );
        assert_eq!(feeds.places(Feed::DeprecationsInfo), []);
        let (file, url) = (Place::File("a.json".into()), Place::Url("https://feeds.example/b.json".to_owned()));
        assert_eq!(feeds.places(Feed::ModelEol), [file.clone(), url]);
        assert_eq!(feeds.only_files().places(Feed::ModelEol), [file]);
        assert_eq!(read("model_eol = 'off'").places(Feed::ModelEol), []);
        assert!(Feed::ALL.iter().all(|feed| !Feeds::default().places(*feed).is_empty()));
        assert!(Feed::ALL.iter().all(|feed| Feeds::default().only_files().places(*feed).is_empty()));
    }

    #[test]
    fn what_is_none_of_them_is_a_problem() {
        assert_eq!((Feeds::default().problems(), feeds_with("/x/y.json").problems()), (vec![], vec![]));
        for wrong in ["", "ftp://feeds.example/x", "https://"] {
            assert_eq!(feeds_with(wrong).problems().len(), 1, "{wrong:?}");
        }
    }

    fn feeds_with(place: &str) -> Feeds {
        Feeds { litellm: place.to_owned(), ..Feeds::default() }
    }
}
