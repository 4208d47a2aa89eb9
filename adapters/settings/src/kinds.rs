//! The kinds of values that settings take. Each says once, in words, what it expects: the documentation and the error
//! messages both use those words.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use url::Url;

use crate::given::{Given, Misfit};

/// One of a few words.
pub(crate) trait Choice: Copy + 'static {
    /// Every word with what it stands for.
    const WORDS: &'static [(&'static str, Self)];
}

/// A whole number within limits, both included.
pub(crate) fn whole<'de, const MIN: u64, const MAX: u64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    read(deserializer, format!("a whole number from {MIN} to {MAX}"), |given| {
        let number = match given {
            Given::Whole(number) => u64::try_from(*number).ok()?,
            Given::Text(text) => text.parse().ok()?,
            _ => return None,
        };
        if (MIN..=MAX).contains(&number) { T::try_from(number).ok() } else { None }
    })
}

/// A duration within limits, both included and in milliseconds.
pub(crate) fn duration<'de, const MIN: u64, const MAX: u64, D>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
    let (from, to) = (humantime::format_duration(min), humantime::format_duration(max));
    read(deserializer, format!("a duration such as 30s, from {from} to {to}"), |given| {
        let Given::Text(text) = given else { return None };
        humantime::parse_duration(text).ok().filter(|duration| (min..=max).contains(duration))
    })
}

/// A share of the whole.
pub(crate) fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    read(deserializer, "a fraction from 0 to 1".to_owned(), |given| {
        let number = match given {
            Given::Fraction(number) => *number,
            Given::Whole(0) => 0.0,
            Given::Whole(1) => 1.0,
            Given::Text(text) => text.parse().ok()?,
            _ => return None,
        };
        (0.0..=1.0).contains(&number).then_some(number)
    })
}

/// Yes or no.
pub(crate) fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    read(deserializer, "true or false".to_owned(), |given| match given {
        Given::Switch(on) => Some(*on),
        Given::Text(text) => text.parse().ok(),
        _ => None,
    })
}

/// One word of a [`Choice`].
pub(crate) fn choice<'de, T: Choice, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
    let expecting = match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    };
    read(deserializer, expecting, |given| {
        let Given::Text(text) = given else { return None };
        T::WORDS.iter().find(|(word, _)| word == text).map(|(_, choice)| *choice)
    })
}

/// One line of text, at most this many characters.
pub(crate) fn text<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    read(deserializer, format!("one line of text of 1 to {MAX} characters"), |given| {
        let Given::Text(text) = given else { return None };
        let fits = (1..=MAX).contains(&text.chars().count()) && !text.contains(char::is_control);
        fits.then(|| text.clone())
    })
}

/// Text of any length, for a reader of its own.
pub(crate) fn any_text<'de, D: Deserializer<'de>>(deserializer: D, expecting: &str) -> Result<String, D::Error> {
    read(deserializer, expecting.to_owned(), |given| {
        let Given::Text(text) = given else { return None };
        Some(text.clone())
    })
}

/// The name of an AWS region.
pub(crate) fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    read(deserializer, "a region such as eu-west-1".to_owned(), |given| {
        let Given::Text(text) = given else { return None };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (text.contains('-') && text.chars().all(plain)).then(|| text.clone())
    })
}

/// The path of a file, from the current folder.
pub(crate) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    read(deserializer, "the path of a file".to_owned(), |given| {
        let Given::Text(text) = given else { return None };
        (!text.is_empty() && !text.contains('\0')).then(|| text.into())
    })
}

/// A program and its arguments.
pub(crate) fn argv<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let expecting = r#"a program with its arguments as a list, such as ["python3", "work.py"]"#.to_owned();
    read(deserializer, expecting, |given| {
        let argv = texts(given)?;
        let runnable = argv.first().is_some_and(|program| !program.is_empty());
        (runnable && !argv.iter().any(|arg| arg.contains('\0'))).then_some(argv)
    })
}

/// An address to listen on.
pub(crate) fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    read(deserializer, "an IP address and a port such as 127.0.0.1:8080 or [::]:80".to_owned(), |given| {
        let Given::Text(text) = given else { return None };
        text.parse().ok()
    })
}

/// Origins of browser pages, as browsers send them.
pub(crate) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let expecting = r#"a list of origins such as ["https://app.example.com"], or ["*"]"#.to_owned();
    read(deserializer, expecting, |given| {
        // Whatever is not written as the browser would write it could never be met.
        let is_origin = |text: &String| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.is_some_and(|url| url.origin().ascii_serialization() == *text)
        };
        texts(given).filter(|origins| origins.iter().all(is_origin) || *origins == ["*"])
    })
}

/// Names of S3 buckets, by AWS's rules for them.
pub(crate) fn buckets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    read(deserializer, r#"a list of buckets such as ["task-payloads"]"#.to_owned(), |given| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        let is_bucket = |text: &String| (3..=63).contains(&text.len()) && text.bytes().all(plain);
        texts(given).filter(|buckets| buckets.iter().all(is_bucket))
    })
}

/// A list of texts.
fn texts(given: &Given) -> Option<Vec<String>> {
    match given {
        // Variables and flags are text: there the list is a JSON array.
        Given::Text(text) => serde_json::from_str(text).ok(),
        Given::List(items) => {
            items.iter().map(|item| if let Given::Text(text) = item { Some(text.clone()) } else { None }).collect()
        }
        _ => None,
    }
}

/// Where to send HTTP requests.
pub(crate) fn http_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let url = read(deserializer, "an http:// or https:// URL".to_owned(), |given| {
        let Given::Text(text) = given else { return None };
        Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    })?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(D::Error::custom(
            "credentials do not belong into the URL: put an Authorization header into handler.http_headers_file",
        ));
    }
    Ok(url)
}

/// What a setting expects, in words, by asking its reader with a value that fits nothing.
pub(crate) fn expectation<T>(ask: impl FnOnce(Given) -> Result<T, Misfit>) -> String {
    match ask(Given::Other) {
        Err(Misfit::Expected(what)) => what,
        // A reader that takes a table or gives no expectation: the tests refuse it.
        Ok(_) | Err(Misfit::Because(_)) => String::new(),
    }
}

/// Reads a value of any shape; `None` from `accept` means that it is not what was expected.
fn read<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    expecting: String,
    accept: impl FnOnce(&Given) -> Option<T>,
) -> Result<T, D::Error> {
    let given = deserializer.deserialize_any(Shape(&expecting))?;
    accept(&given).ok_or_else(|| D::Error::invalid_value(Unexpected::Other("value"), &expecting.as_str()))
}

/// Takes any value but a table, and says what was expected instead of that.
struct Shape<'a>(&'a str);

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Given, E> {
        Ok(Given::Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Given, E> {
        // Beyond i64 only a default could be, and text stands for it as well.
        Ok(i64::try_from(number).map_or_else(|_| Given::Text(number.to_string()), Given::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Given, E> {
        Ok(Given::Fraction(number))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Given, E> {
        Ok(Given::Switch(on))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Item>()? {
            list.push(item.0);
        }
        Ok(Given::List(list))
    }
}

/// An item of a list: text, or something that will not fit.
struct Item(Given);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shape("text")).map(Self)
    }
}
