//! A job that fails for good: the admins are told once, and once more when it works again.

use chrono::{DateTime, Utc};

use super::{Context, Error, Spec, notices};
use crate::domain::alert::{Rule, Subject};
use crate::domain::incident::{Occurrence, id_of};
use crate::mail::admin::{Desk, Trouble};
use crate::mail::notice::Fact;
use crate::mail::text::moment;
use crate::store::runs::Ended;
use crate::store::{self, Tx};

/// Tells how a slot ended, if that is news; gives the kinds of the enqueued mails. `failing_since` is the first slot
/// that failed since the last success: the same in all that follow, so that the outbox takes its mail once.
pub(super) async fn tell(
    context: &Context,
    tx: &mut Tx,
    spec: &Spec,
    failing_since: DateTime<Utc>,
    ended: &Ended,
) -> Result<Vec<String>, Error> {
    let now = context.now();
    let subject = Subject::Account(spec.name.to_owned());
    let incident = id_of(Rule::JobStale, &subject, "", failing_since);
    let trouble = match ended {
        Ended::Retry(..) => return Ok(Vec::new()),
        Ended::Ok(_) => {
            store::incidents::resolve(tx, &incident, now).await?;
            if !store::outbox::was_told(tx, &incident).await? {
                return Ok(Vec::new());
            }
            works_again(spec, failing_since, now)
        }
        Ended::Failed(error) => {
            let occurrence = Occurrence { id: incident.clone(), rule: Rule::JobStale, subject, opened_at: now };
            store::incidents::open(tx, &occurrence, error).await?;
            fails(context, spec, failing_since, error, now)
        }
    };
    let admins = notices::admins(context, tx).await?;
    let sender = context.sender();
    let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
    let mut kinds = Vec::new();
    for mail in desk.trouble(trouble, &incident)? {
        if context.post(tx, &mail, now).await? {
            kinds.push(mail.kind);
        }
    }
    Ok(kinds)
}

fn fails(context: &Context, spec: &Spec, since: DateTime<Utc>, error: &str, now: DateTime<Utc>) -> Trouble {
    let next = context.settings.get().schedule(spec.name).and_then(|schedule| schedule.next(now));
    Trouble {
        title: format!("The job {} fails", spec.name),
        resolved: false,
        since: moment(since),
        what: format!("It was tried until {} and failed each time: {error}.", moment(now)),
        effect: format!("Until it succeeds, this is not done: {}.", spec.what),
        mend: format!(
            "Nothing, if it passes: the job runs again by itself. \"openrouter-monitor job run {}\" runs it at once.",
            spec.name
        ),
        details: vec![Fact { label: "Next run", value: next.map_or_else(|| "never".to_owned(), moment) }],
    }
}

fn works_again(spec: &Spec, since: DateTime<Utc>, now: DateTime<Utc>) -> Trouble {
    Trouble {
        title: format!("The job {} works again", spec.name),
        resolved: true,
        since: moment(since),
        what: format!("It succeeded on {}.", moment(now)),
        effect: "What it could not do meanwhile is done now.".to_owned(),
        mend: "Nothing.".to_owned(),
        details: Vec::new(),
    }
}
