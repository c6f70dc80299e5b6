//! Shows something again whenever the control plane tells that it has changed.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answer::Format;
use crate::control_plane::ControlPlane;
use crate::events::Events;
use crate::output::{self, Reader};

/// How often there is a look where no event comes: times, such as that of a server's last answer,
/// change without one.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Events come in bursts, of which one look shows the outcome.
const BURST: Duration = Duration::from_millis(100);

/// How long a control plane that has gone is left alone before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The control sequences that make room on a terminal: the cursor to its top, and all below gone.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// One look at what is watched.
pub(crate) struct Look {
    /// The text that is shown.
    pub(crate) text: String,
    /// The exit code, where nothing more is to come.
    pub(crate) end: Option<ExitCode>,
}

/// Shows what `look` sees, again and again: until it has ended, nobody reads any more, or Ctrl-C.
/// It looks when something happens, and otherwise after `every`. The first look must succeed; later
/// ones may find the control plane gone, and wait for it.
pub(crate) async fn watch(
    control_plane: &ControlPlane,
    format: Format,
    every: Duration,
    look: impl AsyncFn() -> anyhow::Result<Look>,
) -> anyhow::Result<ExitCode> {
    let mut shown: Option<String> = None;
    loop {
        let outcome = async {
            // Before the look, so that what changes after it is told.
            let mut events = Events::of(control_plane).await?;
            loop {
                let look = look().await?;
                if shown.as_ref() != Some(&look.text) {
                    if show(&look.text, format, shown.is_some())? == Reader::Gone {
                        return anyhow::Ok(Some(ExitCode::SUCCESS));
                    }
                    shown = Some(look.text);
                }
                if look.end.is_some() {
                    return Ok(look.end);
                }
                match timeout(every, events.next()).await {
                    Ok(Some(_)) => {
                        let end = Instant::now() + BURST;
                        while let Ok(Some(_)) = timeout_at(end, events.next()).await {}
                    }
                    Ok(None) => return Ok(None),
                    Err(_) => {}
                }
            }
        };
        match outcome.await {
            Ok(Some(code)) => return Ok(code),
            Ok(None) => {}
            Err(error) if shown.is_none() => return Err(error),
            Err(error) => {
                let words = format!("{error:#}");
                if shown.as_ref() != Some(&words) {
                    output::tell(&words);
                    shown = Some(words);
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// Shows a text: on a terminal in the place of the one before, elsewhere after it.
fn show(text: &str, format: Format, is_again: bool) -> anyhow::Result<Reader> {
    if stdout().is_terminal() {
        output::data(format_args!("{CLEAR}{text}"))
    } else if is_again {
        output::data(format_args!("{}\n{text}", between(format)))
    } else {
        output::data(text)
    }
}

/// The line between two looks: nothing for people, and what a reader of YAML takes for the end of a
/// document. Objects of JSON end by themselves.
fn between(format: Format) -> &'static str {
    match format {
        Format::Yaml => "---",
        Format::Table | Format::Json => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::yaml;
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[test]
    fn it_separates_looks_so_that_each_is_a_document_of_its_own() {
        let look = json!({"revision": 3, "envoys": []});
        let shown = format!(
            "{}\n{}\n{}\n",
            yaml(&look).unwrap(),
            between(Format::Yaml),
            yaml(&look).unwrap()
        );
        let read = yaml_serde::Deserializer::from_str(&shown).map(Value::deserialize);
        assert_eq!(
            read.collect::<Result<Vec<_>, _>>().unwrap(),
            [look.clone(), look]
        );
        assert_eq!(between(Format::Table), "");
    }
}
