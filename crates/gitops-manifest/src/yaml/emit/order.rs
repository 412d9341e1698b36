//! The order in which go-yaml writes the keys of a map: letters by code point, runs of digits by their value.

use super::super::Profile;

/// Whether `a` goes before `b`.
///
/// This is not an order: go-yaml's rule is not transitive (`a1b`, `a2`, `a10` go round in a circle), so that
/// nothing that relies on one, as the standard library's sort does, may be used with it.
pub(super) fn is_before(profile: Profile, a: &str, b: &str) -> bool {
    // What both begin with decides nothing but whether a number was begun.
    let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let common = (0..=common)
        .rev()
        .find(|i| a.is_char_boundary(*i) && b.is_char_boundary(*i))
        .unwrap_or(0);
    let before = &a[..common];
    let (a, b) = (&a[common..], &b[common..]);
    let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else {
        return a.is_empty() && !b.is_empty();
    };
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x < y,
        (false, false) => {}
        (_, y_is_letter) => {
            let within_number = before.chars().next_back().is_some_and(is_digit);
            return y_is_letter != (profile == Profile::Kyaml && within_number);
        }
    }
    // A zero within a number counts for a digit of it.
    let continues = (x == '0' || y == '0')
        && before
            .chars()
            .rev()
            .take_while(|char| is_digit(*char))
            .any(|char| char != '0');
    let (x_value, x_digits) = number(a, continues);
    let (y_value, y_digits) = number(b, continues);
    if x_value != y_value {
        return x_value < y_value;
    }
    if x_digits != y_digits {
        return x_digits < y_digits;
    }
    x < y
}

/// Reads a run of digits with Go's overflowing arithmetic; returns its value and how many digits it has.
fn number(text: &str, continues: bool) -> (i64, usize) {
    let mut value = i64::from(continues);
    let mut digits = 0;
    for char in text.chars().take_while(|char| is_digit(*char)) {
        value = value
            .wrapping_mul(10)
            .wrapping_add(i64::from(u32::from(char)) - i64::from(b'0'));
        digits += 1;
    }
    (value, digits)
}

/// Whether Go's `unicode.IsLetter` says so: the alphabetic characters that are no numerals or symbols.
fn is_letter(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphabetic();
    }
    char.is_alphabetic() && !char.is_numeric() && !matches!(char, '\u{24B6}'..='\u{24E9}')
}

/// Whether Go's `unicode.IsDigit` says so: the decimal digits of all scripts.
fn is_digit(char: char) -> bool {
    /// Where the ten digits of a script begin.
    const ZEROS: [u32; 62] = [
        0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6,
        0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
        0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
        0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
        0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60,
        0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950, 0x1FBF0,
    ];
    if char.is_ascii() {
        return char.is_ascii_digit();
    }
    let code = u32::from(char);
    let i = ZEROS.partition_point(|zero| *zero <= code);
    // The mathematical digits are five sets in a row.
    i > 0 && code < ZEROS[i - 1] + 10 || (0x1D7CE..0x1D800).contains(&code)
}

/// Puts entries, which are in order of bytes, into the order in which they are written.
pub(super) fn sort<'v, T>(profile: Profile, entries: &mut Vec<(&'v str, T)>)
where
    T: Copy,
{
    if entries.is_sorted_by(|a, b| !is_before(profile, b.0, a.0)) {
        return;
    }
    // Runs of doubling width are merged; nothing but the outcome of single comparisons is relied on.
    let mut width = 1;
    let mut merged: Vec<(&'v str, T)> = Vec::with_capacity(entries.len());
    while width < entries.len() {
        merged.clear();
        for run in entries.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let (Some(a), Some(b)) = (left.first(), right.first()) {
                if is_before(profile, b.0, a.0) {
                    merged.push(*b);
                    right = &right[1..];
                } else {
                    merged.push(*a);
                    left = &left[1..];
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(entries, &mut merged);
        width *= 2;
    }
}
