//! Columns, sizes, times and names for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Lines of cells as columns, two spaces apart. Columns in `right` are set to the right. The last column is not padded.
pub(super) fn columns(rows: &[Vec<String>], right: &[usize]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number of bytes, as `12`, `3.4 KiB`, `5.6 GiB`.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    indicatif::BinaryBytes(bytes).to_string()
}

/// A time (nanoseconds since 1970) on this machine's clock.
pub(super) fn time(nanos: i64) -> String {
    match Timestamp::from_nanosecond(i128::from(nanos)) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// `rwx` letters of permission bits.
pub(super) fn permissions(mode: u32) -> String {
    let mut letters = String::with_capacity(9);
    for (shift, special, (set, unset)) in
        [(6, 0o4000, ('s', 'S')), (3, 0o2000, ('s', 'S')), (0, 0o1000, ('t', 'T'))]
    {
        let bits = mode >> shift;
        letters.push(if bits & 4 != 0 { 'r' } else { '-' });
        letters.push(if bits & 2 != 0 { 'w' } else { '-' });
        letters.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    letters
}

/// A name as one line: control characters, which could drive a terminal, as `?`.
pub(super) fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_end_where_the_text_ends() {
        let rows = [
            ["a".to_owned(), "1".to_owned(), "x".to_owned()].to_vec(),
            vec!["bbb".into(), "22".into(), "é".into()],
        ];
        assert_eq!(columns(&rows, &[1]), "a     1  x\nbbb  22  é\n");
    }

    #[test]
    fn permissions_are_those_of_ls() {
        assert_eq!(permissions(0o755), "rwxr-xr-x");
        assert_eq!(permissions(0o4755), "rwsr-xr-x");
        assert_eq!(permissions(0o1777), "rwxrwxrwt");
        assert_eq!(permissions(0o2640), "rw-r-S---");
        assert_eq!(permissions(0), "---------");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!((size(0), size(1023), size(1536)), ("0 B".into(), "1023 B".into(), "1.50 KiB".into()));
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(name("a\u{1b}[2Jb\n"), "a?[2Jb?");
    }
}
