//! Gathers what the command line, the environment and the file give, the higher over the lower.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use confique::Layer as _;

use crate::error::{Origin, Problem};
use crate::given::{Given, Misfit};
use crate::table::{self, Layer, SettingDoc, table};

/// Names the configuration file.
pub(crate) const CONFIG: &str = "TASKWATCH_CONFIG";
const PREFIX: &str = "TASKWATCH_";
/// Left to the tests.
const TESTS: &str = "TASKWATCH_TEST_";
const DEFAULT_FILE: &str = "taskwatch.toml";
/// Variables of wider use that stand in for a setting, the first before the second.
const AMBIENT: [(&str, &str); 2] = [("aws.region", "AWS_REGION"), ("aws.region", "AWS_DEFAULT_REGION")];
/// Variables whose folder holds, below it, the journals unless somebody says otherwise. Only full paths count
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
const STATE: [(&str, &str); 2] = [("XDG_STATE_HOME", "taskwatch"), ("HOME", ".local/state/taskwatch")];
/// Values that may hold a secret by mistake, and so are never repeated in messages.
const DELICATE: [&str; 3] = ["database.url", "handler.http_url", "handler.command"];

/// What was given, by key.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) given: BTreeMap<&'static str, (Given, Origin)>,
    pub(crate) problems: Vec<Problem>,
}

/// Whether taskwatch looks at a variable of this name.
pub(crate) fn concerns(name: &str) -> bool {
    (name.starts_with(PREFIX) && !name.starts_with(TESTS))
        || AMBIENT.iter().any(|(_, ambient)| *ambient == name)
        || STATE.iter().any(|(variable, _)| *variable == name)
}

impl Layers {
    /// Reads everything, from the highest layer to the lowest; the default file is looked for in `folder`.
    pub(crate) fn gather(
        folder: &Path,
        file: Option<&Path>,
        env: &BTreeMap<String, String>,
        overrides: &[(String, String)],
    ) -> Self {
        let mut layers = Self::default();
        layers.overrides(overrides);
        layers.environment(env);
        match (file, env.get(CONFIG)) {
            (Some(path), _) => layers.file(path, Some(Origin::CommandLine)),
            (None, Some(path)) => layers.file(Path::new(path), Some(Origin::Environment(CONFIG.to_owned()))),
            (None, None) => layers.file(&folder.join(DEFAULT_FILE), None),
        }
        for (key, name) in AMBIENT {
            if let Some(value) = env.get(name) {
                layers.put(key, Given::Text(value.clone()), Origin::Ambient(name));
            }
        }
        for (name, below) in STATE {
            if let Some(folder) = env.get(name).map(Path::new).filter(|folder| folder.is_absolute()) {
                let journals = folder.join(below).display().to_string();
                layers.put("replay.journals", Given::Text(journals), Origin::Ambient(name));
            }
        }
        layers
    }

    /// Every value in its place; those that do not fit are added to the problems.
    pub(crate) fn merge(&mut self) -> Layer {
        let mut merged = Layer::default_values();
        for setting in table() {
            let Some((given, from)) = self.given.get(setting.key) else { continue };
            match table::layer(setting.path(), given.clone()) {
                Ok(layer) => merged = layer.with_fallback(merged),
                Err(why) => self.problems.push(misfit(setting.key, given, from, &why)),
            }
        }
        merged
    }

    /// Keeps the first value for a key: layers come from the highest to the lowest.
    fn put(&mut self, key: &'static str, value: Given, from: Origin) {
        self.given.entry(key).or_insert((value, from));
    }

    fn overrides(&mut self, overrides: &[(String, String)]) {
        for (name, value) in overrides {
            let Some(key) = known(name) else {
                self.unknown(name, Origin::CommandLine);
                continue;
            };
            if self.given.contains_key(key) {
                self.problems.push(Problem::Twice(key));
            }
            self.put(key, Given::Text(value.clone()), Origin::CommandLine);
        }
    }

    fn environment(&mut self, env: &BTreeMap<String, String>) {
        for (name, value) in env.iter().filter(|(name, _)| name.starts_with(PREFIX) && *name != CONFIG) {
            let origin = Origin::Environment(name.clone());
            match table().iter().find(|setting| setting.env == *name) {
                Some(setting) => self.put(setting.key, Given::Text(value.clone()), origin),
                None => self.unknown_variable(name),
            }
        }
    }

    /// Reads a file; without anybody who `named` it, it need not exist.
    fn file(&mut self, path: &Path, named: Option<Origin>) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let by = named.unwrap_or(Origin::Default);
                self.problems.push(Problem::Unreadable { path: path.to_owned(), by, why: error.to_string() });
                return;
            }
        };
        match text.parse::<toml::Table>() {
            Ok(sections) => self.sections(path, sections),
            Err(error) => self.problems.push(syntax(path.to_owned(), &text, &error)),
        }
    }

    fn sections(&mut self, path: &Path, sections: toml::Table) {
        for (name, value) in sections {
            let origin = Origin::File(path.to_owned());
            let Some(section) = table::sections().find(|section| *section == name) else {
                self.unknown(&name, origin);
                continue;
            };
            let toml::Value::Table(values) = value else {
                self.problems.push(Problem::NotASection { path: path.to_owned(), section });
                continue;
            };
            for (name, value) in values {
                let name = format!("{section}.{name}");
                match known(&name) {
                    Some(key) => self.put(key, value.into(), origin.clone()),
                    None => self.unknown(&name, origin.clone()),
                }
            }
        }
    }

    fn unknown(&mut self, name: &str, from: Origin) {
        let nearest = nearest(name, table().iter().map(|setting| setting.key).chain(table::sections()));
        self.problems.push(Problem::Unknown { name: name.to_owned(), from, nearest });
    }

    fn unknown_variable(&mut self, name: &str) {
        let names = table().iter().map(|setting| setting.env.as_str()).chain([CONFIG]);
        self.problems.push(Problem::UnknownVariable { name: name.to_owned(), nearest: nearest(name, names) });
    }
}

fn known(name: &str) -> Option<&'static str> {
    table().iter().map(|setting: &SettingDoc| setting.key).find(|key| *key == name)
}

/// The name that `name` was most likely meant to be, if any is like it.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    // Letters left out, doubled or swapped; or a name cut short, such as database.password.
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let close = |known: &str| distance(known) <= 3 || (name.contains('.') && known.starts_with(name));
    names.filter(|known| close(known)).min_by_key(|known| distance(known)).map(str::to_owned)
}

fn misfit(key: &'static str, given: &Given, from: &Origin, why: &Misfit) -> Problem {
    let given = (!DELICATE.contains(&key)).then(|| given.to_string());
    Problem::Misfit { key, from: from.clone(), given, why: why.to_string() }
}

fn syntax(path: PathBuf, text: &str, error: &toml::de::Error) -> Problem {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Problem::Syntax { path, line, column, why: error.message().to_owned() }
}
