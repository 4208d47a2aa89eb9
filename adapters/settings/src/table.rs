//! The table of settings as people read it, made from the definitions.

use std::sync::LazyLock;

use confique::Config;
use confique::meta::{Expr, Field, FieldKind, LeafKind};
use serde::de::Deserialize;
use serde::de::value::MapDeserializer;

use crate::definitions::Definitions;
use crate::given::{Given, Misfit};
use crate::kinds::expectation;

/// One layer of settings, most of them unset.
pub(crate) type Layer = <Definitions as Config>::Layer;

/// One setting, documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDoc {
    /// Its name on the command line and, below its section, in the file: `worker.lease`.
    pub key: &'static str,
    /// The environment variable: `TASKWATCH_WORKER_LEASE`.
    pub env: String,
    /// What it takes: the kind of value, with limits and units.
    pub expects: String,
    /// Its value when nobody gives one, as one would write it on the command line.
    pub default: Option<String>,
    /// What it means.
    pub doc: String,
}

impl SettingDoc {
    /// The section that the key is in, and its name there.
    pub(crate) fn path(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }
}

/// Every setting, in the order of the definitions.
#[must_use]
pub fn table() -> &'static [SettingDoc] {
    static TABLE: LazyLock<Vec<SettingDoc>> = LazyLock::new(|| {
        let sections = Definitions::META.fields.iter();
        sections.flat_map(|section| nested(section).iter().filter_map(|field| document(section.name, field))).collect()
    });
    &TABLE
}

/// The table in Markdown, for the documentation.
#[must_use]
pub fn markdown_table() -> String {
    let mut out =
        String::from("| setting | environment | value | default | meaning |\n| --- | --- | --- | --- | --- |\n");
    let cell = |text: &str| text.replace('|', "\\|");
    for SettingDoc { key, env, expects, default, doc } in table() {
        let default = default.as_ref().map(|value| format!("`{}`", cell(value))).unwrap_or_default();
        out.push_str(&format!("| `{key}` | `{env}` | {} | {default} | {} |\n", cell(expects), cell(doc)));
    }
    out
}

/// The names of the sections.
pub(crate) fn sections() -> impl Iterator<Item = &'static str> {
    Definitions::META.fields.iter().map(|section| section.name)
}

/// A layer with nothing but this value in it; fails if the value does not fit.
pub(crate) fn layer((section, name): (&'static str, &'static str), value: Given) -> Result<Layer, Misfit> {
    let leaf = MapDeserializer::<_, Misfit>::new([(name, value)].into_iter());
    Layer::deserialize(MapDeserializer::<_, Misfit>::new([(section, Nested(leaf))].into_iter()))
}

type Leaf = MapDeserializer<'static, std::array::IntoIter<(&'static str, Given), 1>, Misfit>;

/// A map as the value of a map.
struct Nested(Leaf);

impl serde::de::IntoDeserializer<'static, Misfit> for Nested {
    type Deserializer = Leaf;

    fn into_deserializer(self) -> Leaf {
        self.0
    }
}

fn nested(section: &Field) -> &'static [Field] {
    match section.kind {
        FieldKind::Nested { meta } => meta.fields,
        FieldKind::Leaf { .. } => &[],
    }
}

fn document(section: &'static str, field: &'static Field) -> Option<SettingDoc> {
    let FieldKind::Leaf { kind, .. } = field.kind else { return None };
    let default = match kind {
        LeafKind::Required { default } => default.as_ref().map(written),
        LeafKind::Optional => None,
    };
    let expects = expectation(|probe| layer((section, field.name), probe));
    let doc = field.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let env = format!("TASKWATCH_{}_{}", section, field.name).to_uppercase();
    // Made once and kept for the life of the process: keys are passed around as plain names.
    let key = Box::leak(format!("{section}.{}", field.name).into_boxed_str());
    Some(SettingDoc { key, env, expects, default, doc })
}

/// A default as it would be written on the command line.
fn written(default: &Expr) -> String {
    match default {
        Expr::Str(text) => (*text).to_owned(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
