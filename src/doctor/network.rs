//! What is outside: OpenRouter and its clock, the mail server, feeds, channels, the platform's database.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::net::TcpStream;
use url::Url;

use super::{Doctor, Finding, in_time, told};
use crate::domain::channel::Channel;
use crate::feeds::Feed;
use crate::mail::transport::Mailer;
use crate::store::platform::Platform;

/// A clock that is further off makes days, leases and runways wrong.
const SKEW_MAX: TimeDelta = TimeDelta::seconds(30);

impl Doctor {
    /// What is found, and whether OpenRouter can be asked about keys.
    pub(super) async fn openrouter(&self) -> (Vec<Finding>, bool) {
        const PART: &str = "openrouter";
        let list = in_time(PART, async {
            match self.openrouter.list(self.clock.now()).await {
                Ok(list) => Finding::ok(PART, format!("{} models are listed", list.catalog.models.len())),
                Err(error) => {
                    let mend = "see that this machine may reach openrouter.base_url, by its proxy if it has one";
                    Finding::fail(PART, told(&error), mend)
                }
            }
        });
        let before = self.clock.now();
        let date = async {
            match tokio::time::timeout(super::ANSWERS_WITHIN, self.openrouter.date()).await {
                Ok(Ok(date)) => (true, date.map(|date| clock(date, before, self.clock.now()))),
                Ok(Err(_)) | Err(_) => (false, None),
            }
        };
        let (list, (answers, clock)) = tokio::join!(list, date);
        let mut found = vec![list];
        found.push(clock.unwrap_or_else(|| {
            Finding::warn("clock", "nobody could be asked the time", "see that NTP keeps the clock of this machine")
        }));
        (found, answers)
    }

    pub(super) async fn mail(&self) -> Finding {
        const PART: &str = "mail";
        let mailer = match Mailer::new(&self.config) {
            Ok(mailer) => mailer,
            Err(error) => return Finding::fail(PART, format!("{error:#}"), "mend [mail]"),
        };
        let place = mailer.describe();
        in_time(PART, async move {
            match mailer.probe().await {
                Ok(()) if self.config.mail.smtp_url.is_none() => {
                    Finding::warn(PART, format!("nothing is sent: mails become {place}"), "set mail.smtp_url")
                }
                Ok(()) => Finding::ok(PART, format!("{place}: the server answers and takes the login")),
                Err(error) => {
                    Finding::fail(PART, format!("{place}: {error}"), "mend mail.smtp_url, or see the server's log")
                }
            }
        })
        .await
    }

    pub(super) async fn feeds(&self) -> Vec<Finding> {
        let [a, b, c] = Feed::ALL.map(|feed| self.feed(feed));
        let (a, b, c) = tokio::join!(a, b, c);
        [a, b, c].into_iter().flatten().collect()
    }

    async fn feed(&self, feed: Feed) -> Option<Finding> {
        let (places, part) = (self.config.feeds.places(feed), format!("feed {}", feed.as_str()));
        if places.is_empty() {
            return None;
        }
        let examined = in_time(&part, async {
            match self.feeds.read(feed, &places).await {
                Ok(reading) => Finding::ok(&part, format!("{} announcements", reading.announcements.len())),
                Err(error) => {
                    Finding::fail(&part, told(&error), format!("mend feeds.{}, or set it to \"off\"", feed.as_str()))
                }
            }
        });
        Some(examined.await)
    }

    /// Channels are reached and told nothing.
    pub(super) async fn channels(&self) -> Vec<Finding> {
        let [a, b, c] = Channel::NOTICES.map(|channel| self.channel(channel));
        let (a, b, c) = tokio::join!(a, b, c);
        [a, b, c].into_iter().flatten().collect()
    }

    async fn channel(&self, channel: Channel) -> Option<Finding> {
        let url = Url::parse(self.config.notify.url(channel)?).ok()?;
        let (host, port) = (url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?);
        let examined = in_time(channel.as_str(), async {
            match TcpStream::connect((host.as_str(), port)).await {
                Ok(_) => Finding::ok(channel.as_str(), format!("{host}:{port} can be reached")),
                Err(error) => {
                    let mend = format!("mend notify.{}_url, or see that it runs", channel.as_str());
                    Finding::fail(channel.as_str(), format!("{host}:{port} cannot be reached: {error}"), mend)
                }
            }
        });
        Some(examined.await)
    }

    pub(super) async fn platform(&self) -> Option<Finding> {
        use secrecy::ExposeSecret;
        const PART: &str = "platform's database";
        let url = self.config.pull.url.as_ref()?;
        let examined = in_time(PART, async {
            match Platform::connect(url.expose_secret()).await {
                Ok(platform) => {
                    platform.close().await;
                    Finding::ok(PART, "it can be read")
                }
                Err(error) => Finding::fail(PART, told(&error), "mend pull.url, or see that it runs"),
            }
        });
        Some(examined.await)
    }
}

/// Compares our clock, before and after the answer, with one that shows whole seconds.
fn clock(theirs: DateTime<Utc>, before: DateTime<Utc>, after: DateTime<Utc>) -> Finding {
    let (ahead, behind) = (before - theirs - TimeDelta::seconds(1), theirs - after);
    let said = |skew: TimeDelta, way| format!("the clock of this machine is {} s {way}", skew.num_seconds());
    let mend = "have NTP keep it (timedatectl set-ntp true)";
    if ahead > SKEW_MAX {
        Finding::fail("clock", said(ahead, "ahead"), mend)
    } else if behind > SKEW_MAX {
        Finding::fail("clock", said(behind, "behind"), mend)
    } else {
        Finding::ok("clock", "it agrees with OpenRouter's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_clock_is_off_when_the_answer_cannot_explain_it() {
        let at = |seconds: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(1_780_000_000 + seconds);
        let state = |theirs, before, after| clock(at(theirs), at(before), at(after)).state;
        assert_eq!(state(0, 0, 0), State::Ok);
        assert_eq!(state(0, 31, 33), State::Ok);
        assert_eq!(state(0, 32, 32), State::Fail);
        assert_eq!(state(30, 0, 0), State::Ok);
        assert_eq!(state(31, 0, 0), State::Fail);
        assert_eq!(state(31, 0, 8), State::Ok, "the answer took its time");
    }
}
