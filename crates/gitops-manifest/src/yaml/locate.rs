//! Where in a text a field stands: found on demand, so that reading keeps no places.

use super::error::{Error, Mark, Position};
use super::events::{Event, EventSource, Parser};
use super::scan::readable_end;
use super::{Profile, next_document, resolve};

/// Finds the place of a field in a text: of the key for a field of a map, of the element for one of a list.
///
/// `document` counts the documents of the text as [`documents`](super::documents) gives them, `pointer` is a JSON
/// pointer (RFC 6901) into it; the empty one finds the document's content. A field that a merge key or an alias brought
/// is found where the merge key or the alias stands. The text is parsed again up to the place.
///
/// ```
/// use gitops_manifest::yaml::locate;
/// let text = "a: 1\n---\nspec:\n  ports:\n  - port: 80\n  - port: 81\n";
/// let place = locate(text, 1, "/spec/ports/1/port").expect("it is there");
/// assert_eq!((place.line, place.column), (6, 5));
/// assert_eq!(locate(text, 1, "/spec/ports/2"), None);
/// ```
#[must_use]
pub fn locate(text: &str, document: usize, pointer: &str) -> Option<Position> {
    let mut parser = seek(text, document)?;
    find(&mut parser, &steps(pointer))
        .ok()
        .flatten()
        .map(|mark| mark.position(text))
}

/// Finds the place of a field in a document that was read before, by where it begins.
pub(crate) fn locate_in(text: &str, document: Mark, pointer: &str) -> Option<Mark> {
    let begin = Mark {
        offset: text[..document.offset].rfind('\n').map_or(0, |i| i + 1),
        ..document
    };
    let mut parser = Parser::within(text, begin, text.len());
    match parser.next().ok()? {
        (Event::DocumentStart, _) => find(&mut parser, &steps(pointer)).ok().flatten(),
        _ => None,
    }
}

fn steps(pointer: &str) -> Vec<String> {
    match pointer.strip_prefix('/') {
        None => Vec::new(),
        Some(rest) => rest
            .split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect(),
    }
}

/// Brings a parser behind the beginning of a document.
fn seek(text: &str, document: usize) -> Option<Parser<'_>> {
    let mut end = readable_end(text, 0);
    let mut parser = Parser::within(text, Mark::default(), end);
    let mut before = parser.reached();
    let mut passed = 0;
    loop {
        let failed = match parser.next() {
            Ok((Event::DocumentStart, _)) if passed == document => return Some(parser),
            Ok((Event::StreamEnd, _)) => return None,
            Ok((Event::DocumentEnd, _)) => {
                passed += 1;
                before = parser.reached();
                continue;
            }
            Ok(_) => continue,
            Err(error) => error,
        };
        if passed == document {
            return None;
        }
        let next = next_document(text, before, &failed)?;
        if next.offset > end {
            end = readable_end(text, next.offset);
        }
        parser = Parser::within(text, next, end);
        before = next;
        passed += 1;
    }
}

/// Walks down the steps; the parser stands before the root node.
fn find(parser: &mut Parser<'_>, steps: &[String]) -> Result<Option<Mark>, Error> {
    let (mut event, mut place) = parser.next()?;
    for (i, step) in steps.iter().enumerate() {
        let found = match event {
            // What is below comes from elsewhere.
            Event::Alias(_) if i > 0 => return Ok(Some(place)),
            Event::MappingStart { .. } => find_key(parser, step)?,
            Event::SequenceStart { .. } => find_item(parser, step)?,
            _ => None,
        };
        match found {
            Some((below, mark, true)) => (event, place) = (below, mark),
            Some((_, mark, false)) => return Ok(Some(mark)),
            None => return Ok(None),
        }
    }
    Ok(Some(place))
}

/// The event that begins a node, the place to show for it, and whether it is the node itself and not a merge key
/// that may bring it.
type Found<'a> = Option<(Event<'a>, Mark, bool)>;

fn find_key<'a>(parser: &mut Parser<'a>, step: &str) -> Result<Found<'a>, Error> {
    let mut merge = None;
    loop {
        let (key, mark) = parser.next()?;
        let (matches, merges) = match &key {
            Event::MappingEnd => return Ok(merge.map(|mark| (Event::StreamEnd, mark, false))),
            Event::Scalar(text, style, None) => {
                let plain = *style == super::ScalarStyle::Plain;
                (is_key(text, plain, step), plain && text == "<<")
            }
            Event::Scalar(text, ..) => (text == step, false),
            _ => (false, false),
        };
        skip(parser, &key)?;
        let (value, _) = parser.next()?;
        if matches {
            return Ok(Some((value, mark, true)));
        }
        if merges {
            merge = Some(mark);
        }
        skip(parser, &value)?;
    }
}

/// Whether a key is read as `step`: as it is written, or as the boolean that it is to go-yaml v2.
fn is_key(text: &str, plain: bool, step: &str) -> bool {
    text == step
        || plain
            && matches!(step, "true" | "false")
            && resolve::resolve(Profile::Sigs, text) == resolve::Resolved::Bool(step == "true")
}

fn find_item<'a>(parser: &mut Parser<'a>, step: &str) -> Result<Found<'a>, Error> {
    let Ok(mut index) = step.parse::<usize>() else {
        return Ok(None);
    };
    loop {
        let (item, mark) = parser.next()?;
        if matches!(item, Event::SequenceEnd) {
            return Ok(None);
        }
        if index == 0 {
            return Ok(Some((item, mark, true)));
        }
        index -= 1;
        skip(parser, &item)?;
    }
}

/// Passes the rest of the node that an event begins.
fn skip(parser: &mut Parser<'_>, event: &Event<'_>) -> Result<(), Error> {
    let mut depth = usize::from(matches!(
        event,
        Event::SequenceStart { .. } | Event::MappingStart { .. }
    ));
    while depth > 0 {
        match parser.next()?.0 {
            Event::SequenceStart { .. } | Event::MappingStart { .. } => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}
