//! A thread that reads a file, chunk by chunk.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};

use serde_json::{Map, Value};
use taskwatch_sqs_message::{Original, Received, SqsRecord};
use tokio::sync::mpsc;

use super::entry::Content;
use super::wire;
use super::write::Row;
use crate::{CaptureReader, Item, Position, ReadError};

/// A chunk is committed at once. It ends where the file can be read on from, and that is within a document for none.
const CHUNK_ITEMS: usize = 4096;
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// Items, and the position behind them.
pub(crate) struct Chunk {
    pub(crate) rows: Vec<Row>,
    pub(crate) position: Position,
}

/// Reads from this position to the end. A second chunk is read while the first is written; there is never more.
pub(crate) fn start(mut file: File, from: Position) -> io::Result<mpsc::Receiver<Result<Chunk, ReadError>>> {
    file.seek(SeekFrom::Start(from.offset))?;
    let (sender, receiver) = mpsc::channel(1);
    let read = move || {
        let mut reader = CaptureReader::resume(BufReader::with_capacity(256 * 1024, file), from);
        loop {
            let chunk = next(&mut reader);
            let is_last = !matches!(&chunk, Ok(Some(_)));
            // A failure to send: whoever listened has gone.
            if chunk.transpose().is_some_and(|chunk| sender.blocking_send(chunk).is_err()) || is_last {
                return;
            }
        }
    };
    std::thread::Builder::new().name("journal-reader".into()).spawn(read)?;
    Ok(receiver)
}

/// The next chunk; `None` at the end. What comes after the last item is read again another time.
fn next(reader: &mut CaptureReader<BufReader<File>>) -> Result<Option<Chunk>, ReadError> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let mut position = None;
    while let Some(item) = reader.next() {
        let row = row(item?);
        bytes += row.bytes();
        rows.push(row);
        position = reader.reached();
        if position.is_some() && (rows.len() >= CHUNK_ITEMS || bytes >= CHUNK_BYTES) {
            break;
        }
    }
    // At the end there is always a position.
    let position = position.or_else(|| reader.reached());
    Ok(position.filter(|_| !rows.is_empty()).map(|position| Chunk { rows, position }))
}

/// A piece of a file as a queue would have brought it.
fn row(item: Item) -> Row {
    let Item { place, message_id, raw, result, .. } = item;
    let text = match String::from_utf8(raw) {
        Ok(text) => text,
        Err(error) => {
            let why = result.map_or_else(|why| why.to_string(), |_| "not UTF-8".to_owned());
            return Row::new(message_id, Content::Broken { raw: error.into_bytes(), why }, Some(place));
        }
    };
    let content = match serde_json::from_str(&text) {
        Ok(Value::Object(object)) if SqsRecord::is_one(&object) => Content::Message(record(object)),
        // A piece of a broken document is no body; a body that nobody can read is still one.
        _ if matches!(result, Err(ref why) if !matches!(why, crate::BadInput::Message(_))) => {
            let why = result.map_or_else(|why| why.to_string(), |_| String::new());
            Content::Broken { raw: text.into_bytes(), why }
        }
        Ok(Value::String(body)) => Content::Message(bare(body, message_id.clone())),
        _ => Content::Message(bare(text, message_id.clone())),
    };
    Row::new(message_id, content, Some(place))
}

fn bare(body: String, message_id: Option<String>) -> Received {
    let record = SqsRecord { message_id, body: Some(body), ..SqsRecord::default() };
    Received { record, attributes: std::collections::BTreeMap::new() }
}

fn record(mut object: Map<String, Value>) -> Received {
    let mut record = SqsRecord::from_object(&object);
    record.receipt_handle = None;
    // Whoever reads attributes with their types wants an id beside them, and a body.
    object.insert("messageId".to_owned(), "-".into());
    object.insert("body".to_owned(), "-".into());
    let attributes = Original::from_object(&object).map(|original| original.attributes).unwrap_or_default();
    record.message_attributes = wire::texts(&attributes);
    Received { record, attributes }
}
