//! Finds documents in a stream of lines, whatever their mixture, and goes on after the broken ones.

use std::io::{self, BufRead, Read};

use serde::de::IgnoredAny;
use serde_json::Deserializer;
use serde_json::value::RawValue;
use taskwatch_sqs_message::{Nesting, excerpt};

use crate::document::Document;
use crate::item::{BadInput, Item, MAX_DOCUMENT_NESTING, Place};
use crate::lines::{Line, Lines, MAX_DOCUMENT_BYTES};

/// Reads a capture, item by item.
///
/// A document is one line, or as many as it takes for its brackets to close. One that is broken costs the lines up to
/// the next that can begin a document: one with `{` or `[` in its first column and no comma at its end. A line that
/// breaks off inside a string is no document's beginning, and costs only itself.
///
/// At most one document is in memory, and none over the limit.
#[derive(Debug)]
pub struct CaptureReader<R> {
    lines: Lines<R>,
    document: Document,
    bad: Option<Item>,
    begun: bool,
    done: bool,
    /// The line in which the last item ended, and how many items that line has had.
    counted: (u64, u64),
}

/// A place between two items, from which a capture can be read on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
}

/// Why a capture cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or pipe failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Two bytes a character.
    #[error("the text is UTF-16, as `>` writes it in Windows PowerShell: save it as UTF-8 (Out-File -Encoding utf8)")]
    Utf16,
    /// Gzip.
    #[error("the data is compressed: unpack it first (gunzip)")]
    Compressed,
}

impl<R: BufRead> CaptureReader<R> {
    /// Reads from here, with [`MAX_DOCUMENT_BYTES`] as the limit.
    pub const fn new(input: R) -> Self {
        Self::with_limit(input, MAX_DOCUMENT_BYTES)
    }

    /// Reads from here; no line and no document may be longer than `limit` bytes.
    pub const fn with_limit(input: R, limit: usize) -> Self {
        let lines = Lines::new(input, limit);
        Self { lines, document: Document::EMPTY, bad: None, begun: false, done: false, counted: (0, 0) }
    }

    /// Reads on in an input whose next byte is the one at this position.
    pub const fn resume(input: R, at: Position) -> Self {
        let lines = Lines::after(input, MAX_DOCUMENT_BYTES, at.offset, at.lines);
        Self { lines, document: Document::EMPTY, bad: None, begun: at.offset > 0, done: false, counted: (0, 0) }
    }

    /// Where to [resume](Self::resume) after the last item; `None` while more of its document, or of its line, is to come.
    pub fn reached(&self) -> Option<Position> {
        let (offset, lines) = self.lines.position()?;
        (self.document.len() == 0 && self.bad.is_none()).then_some(Position { offset, lines })
    }

    /// Reads on until there is an item, or at least a document without any. False at the end.
    fn advance(&mut self) -> Result<bool, ReadError> {
        if !self.begun {
            self.begun = true;
            match self.lines.peek()? {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(ReadError::Utf16),
                [0x1f, 0x8b, ..] => return Err(ReadError::Compressed),
                _ => {}
            }
        }
        let Some(line) = self.lines.next()? else { return Ok(false) };
        if line.cut {
            let why = BadInput::TooLong { limit: self.lines.limit() };
            self.reject(line.number, line.number, line.bytes, why);
            return Ok(true);
        }
        match String::from_utf8(line.bytes) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => self.line(line.number, text)?,
            Err(error) => {
                let why = BadInput::NotUtf8 { line: line.number, byte: error.utf8_error().valid_up_to() + 1 };
                self.reject(line.number, line.number, error.into_bytes(), why);
            }
        }
        Ok(true)
    }

    fn line(&mut self, number: u64, text: String) -> Result<(), ReadError> {
        if !text.trim_start().starts_with(['{', '[', '"']) {
            // No document: the reader of bodies says why.
            let end = text.len();
            self.accept(number, number, text, vec![end]);
            return Ok(());
        }
        let (ends, error) = documents(&text);
        let Some(error) = error.filter(|_| ends.is_empty()) else {
            self.accept(number, number, text, ends);
            return Ok(());
        };
        let mut nesting = Nesting::default();
        let deepest = nesting.feed(text.as_bytes());
        let why = if !error.is_eof() {
            broken(&error, number)
        } else if deepest > MAX_DOCUMENT_NESTING {
            BadInput::TooDeep
        } else if nesting.in_string() {
            BadInput::CutOff { line: number }
        } else {
            return self.gather(number, text, nesting);
        };
        self.reject(number, number, text.into_bytes(), why);
        Ok(())
    }

    /// Reads a document that this line begins and does not end.
    fn gather(&mut self, first: u64, text: String, nesting: Nesting) -> Result<(), ReadError> {
        let line = Line { number: first, bytes: text.into_bytes(), cut: false };
        let total = line.bytes.len();
        let mut gathered = Gathered { lines: &mut self.lines, taken: vec![line], at: 0, total, nesting, refused: None };
        let mut stream = Deserializer::from_reader(&mut gathered).into_iter::<IgnoredAny>();
        let document = stream.next();
        let end = stream.byte_offset();
        let Gathered { mut taken, refused, total, .. } = gathered;
        let last = taken.last().map_or(first, |line| line.number);
        let error = match (document, refused) {
            (Some(Err(error)), None) if error.is_io() => return Err(ReadError::Io(error.into())),
            (_, Some(why)) => why,
            (Some(Err(error)), None) if error.is_eof() => BadInput::CutOff { line: last },
            (Some(Err(error)), None) => broken(&error, first),
            (_, None) => {
                // Every line has been found to be UTF-8 on its way in.
                let text = String::from_utf8_lossy(&join(&taken)).into_owned();
                self.accept(first, last, text, vec![end]);
                return Ok(());
            }
        };
        let resume = taken.iter().skip(1).position(begins_document).map_or(taken.len(), |at| at + 1);
        let found = resume < taken.len();
        taken.drain(resume..).rev().for_each(|line| self.lines.give_back(line));
        let why = if found { error } else { self.skip(&mut taken, total, error)? };
        let last = taken.last().map_or(first, |line| line.number);
        self.reject(first, last, join(&taken), why);
        Ok(())
    }

    /// Takes the lines that still belong to a broken document. Those over the limit are let go, and the reason says so.
    fn skip(&mut self, taken: &mut Vec<Line>, mut total: usize, mut why: BadInput) -> Result<BadInput, ReadError> {
        while let Some(line) = self.lines.next()? {
            if begins_document(&line) {
                self.lines.give_back(line);
                break;
            }
            total = total.saturating_add(line.bytes.len() + 1);
            if total > self.lines.limit() || line.cut {
                why = BadInput::TooLong { limit: self.lines.limit() };
            } else {
                taken.push(line);
            }
        }
        Ok(why)
    }

    /// Documents that end at these bytes of the text, which stands in these lines. What follows them is given back, if
    /// it can begin a document; otherwise the last of them cannot be trusted.
    fn accept(&mut self, first: u64, last: u64, mut text: String, mut ends: Vec<usize>) {
        let rest = text[ends.last().copied().unwrap_or(0)..].trim();
        if !rest.is_empty() && !rest.starts_with(['{', '[']) {
            let why = BadInput::Trailing { line: last, start: excerpt(rest) };
            ends.pop();
            if ends.is_empty() {
                return self.reject(first, last, text.into_bytes(), why);
            }
        }
        let end = ends.last().copied().unwrap_or(0);
        let rest = text[end..].trim();
        if !rest.is_empty() {
            self.lines.give_back(Line { number: last, bytes: rest.as_bytes().to_vec(), cut: false });
        }
        text.truncate(end);
        let before = self.items_in(first);
        self.document = Document::new(text, &ends, first, before);
        self.counted = (last, before + self.document.len());
    }

    fn reject(&mut self, first: u64, last: u64, raw: Vec<u8>, why: BadInput) {
        let before = self.items_in(first);
        let place = Place { line: first, record: (before > 0).then_some(before + 1) };
        self.bad = Some(Item { place, format: None, message_id: None, raw, result: Err(why) });
        self.counted = (last, before + 1);
    }

    const fn items_in(&self, line: u64) -> u64 {
        if self.counted.0 == line { self.counted.1 } else { 0 }
    }
}

impl<R: BufRead> Iterator for CaptureReader<R> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.document.next().or_else(|| self.bad.take()) {
                return Some(Ok(item));
            }
            if self.done {
                return None;
            }
            match self.advance() {
                Ok(more) => self.done = !more,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Gives the parser one line after the other, and remembers them.
struct Gathered<'a, R> {
    lines: &'a mut Lines<R>,
    taken: Vec<Line>,
    /// How much of the last line the parser has.
    at: usize,
    total: usize,
    nesting: Nesting,
    refused: Option<BadInput>,
}

impl<R: BufRead> Gathered<'_, R> {
    fn judge(&mut self, line: &Line) -> Option<BadInput> {
        self.total = self.total.saturating_add(line.bytes.len() + 1);
        if line.cut || self.total > self.lines.limit() {
            return Some(BadInput::TooLong { limit: self.lines.limit() });
        }
        if let Err(error) = std::str::from_utf8(&line.bytes) {
            return Some(BadInput::NotUtf8 { line: line.number, byte: error.valid_up_to() + 1 });
        }
        (self.nesting.feed(&line.bytes) > MAX_DOCUMENT_NESTING).then_some(BadInput::TooDeep)
    }
}

impl<R: BufRead> Read for Gathered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(first) = into.first_mut() else { return Ok(0) };
        let rest = self.taken.last().map_or(&[][..], |line| &line.bytes[self.at..]);
        if !rest.is_empty() {
            let length = rest.len().min(into.len());
            into[..length].copy_from_slice(&rest[..length]);
            self.at += length;
            return Ok(length);
        }
        let Some(line) = self.lines.next()? else { return Ok(0) };
        self.refused = self.judge(&line);
        self.taken.push(line);
        self.at = 0;
        if self.refused.is_some() {
            return Err(io::Error::other("refused"));
        }
        *first = b'\n';
        Ok(1)
    }
}

/// Where the documents in a line end, and what is wrong with the text after them.
fn documents(text: &str) -> (Vec<usize>, Option<serde_json::Error>) {
    let mut stream = Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut ends = Vec::new();
    loop {
        match stream.next() {
            // A string is a body when it comes first; numbers and the like never are.
            Some(Ok(raw)) if ends.is_empty() || raw.get().starts_with(['{', '[']) => ends.push(stream.byte_offset()),
            Some(Err(error)) => return (ends, Some(error)),
            _ => return (ends, None),
        }
    }
}

fn join(lines: &[Line]) -> Vec<u8> {
    lines.iter().map(|line| line.bytes.as_slice()).collect::<Vec<_>>().join(&b'\n')
}

/// Whether a line in which a document may begin, rather than go on.
fn begins_document(line: &Line) -> bool {
    matches!(line.bytes.first(), Some(b'{' | b'[')) && !line.bytes.trim_ascii_end().ends_with(b",")
}

fn broken(error: &serde_json::Error, first: u64) -> BadInput {
    let text = error.to_string();
    // The parser counts lines from the document's own beginning.
    let why = text.split(" at line ").next().unwrap_or_default().to_owned();
    BadInput::Broken { line: first + (error.line() as u64).saturating_sub(1), column: error.column(), why }
}
