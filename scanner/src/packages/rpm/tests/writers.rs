//! Writes small databases for tests, each in a way of its own: what is read here was not written
//! with the reader's code.

use super::bytes::Order;

/// A value of a header.
pub(super) enum Value {
    Text(&'static str),
    Owned(String),
    Texts(Vec<String>),
    Numbers(Vec<u32>),
}

/// A header with a region over `signed`, and `added` behind it.
pub(super) fn header(signed: &[(u32, Value)], added: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    let mut put = |tag: u32, value: &Value, store: &mut Vec<u8>| {
        let (kind, count) = match value {
            Value::Text(_) | Value::Owned(_) => (6, 1),
            Value::Texts(texts) => (8, texts.len()),
            Value::Numbers(numbers) => (4, numbers.len()),
        };
        if kind == 4 {
            store.resize(store.len().next_multiple_of(4), 0);
        }
        index.extend([tag, kind, store.len() as u32, count as u32].map(u32::to_be_bytes).concat());
        let mut text = |text: &str| store.extend([text.as_bytes(), &[0]].concat());
        match value {
            Value::Text(one) => text(one),
            Value::Owned(one) => text(one),
            Value::Texts(all) => all.iter().for_each(|one| text(one)),
            Value::Numbers(all) => store.extend(all.iter().flat_map(|n| n.to_be_bytes())),
        }
    };
    for (tag, value) in signed {
        put(*tag, value, &mut store);
    }
    let trailer = store.len() as u32;
    let covered = 16 * (signed.len() as u32 + 1);
    store.extend([63, 7, covered.wrapping_neg(), 16].map(u32::to_be_bytes).concat());
    for (tag, value) in added {
        put(*tag, value, &mut store);
    }
    let entries = (1 + signed.len() + added.len()) as u32;
    let head = [entries, store.len() as u32, 63, 7, trailer, 16].map(u32::to_be_bytes).concat();
    [head, index, store].concat()
}

/// A package of some files; `padding` makes its header as long as a test wants it.
pub(crate) fn package(name: &str, files: usize, padding: usize) -> Vec<u8> {
    let signed = [
        (1000, Value::Owned(name.to_owned())),
        (1001, Value::Text("1.2.3")),
        (1002, Value::Text("4.el9")),
        (1003, Value::Numbers(vec![7])),
        (1004, Value::Owned("x".repeat(padding))),
        (1011, Value::Text("Example")),
        (1014, Value::Text("MIT")),
        (1022, Value::Text("x86_64")),
        (
            1035,
            Value::Texts((0..files).map(|n| if n == 0 { String::new() } else { "ab".repeat(32) }).collect()),
        ),
        (1044, Value::Owned(format!("{name}-src-1.2.3-4.el9.src.rpm"))),
        (1116, Value::Numbers((0..files).map(|n| n as u32 % 2).collect())),
        (1117, Value::Texts((0..files).map(|n| format!("file{n}")).collect())),
        (1118, Value::Texts(vec!["/usr/bin/".to_owned(), "/".to_owned()])),
    ];
    header(&signed, &[(1008, Value::Numbers(vec![1])), (5096, Value::Text("stream:1"))])
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = vec![(value & 0x7f) as u8];
    while value > 0x7f {
        value >>= 7;
        out.insert(0, (value & 0x7f) as u8 | 0x80);
    }
    out
}

/// An SQLite database with the table `Packages`; tables and chains of as many pages as it takes.
pub(crate) struct Sqlite {
    size: usize,
    /// The first page is page 1.
    pub(super) pages: Vec<Vec<u8>>,
}

impl Sqlite {
    pub(crate) fn of(blobs: &[Vec<u8>], size: usize) -> Self {
        let mut file = Self { size, pages: vec![Vec::new()] };
        let mut nodes = Vec::new();
        let (mut cells, mut used) = (Vec::new(), 0);
        for (row, blob) in (1..).zip(blobs) {
            let cell = file.cell(row, &[varint(0), varint(blob.len() as u64 * 2 + 12)], blob);
            if used + cell.len() + 2 > size - 8 {
                nodes.push((row - 1, file.push(0x0d, &cells, None)));
                (cells, used) = (Vec::new(), 0);
            }
            used += cell.len() + 2;
            cells.push(cell);
        }
        nodes.push((blobs.len() as u64, file.push(0x0d, &cells, None)));
        // Three children a page, so that few rows make a deep tree.
        while nodes.len() > 1 {
            let parents = nodes.chunks(3).map(|children| {
                let (last, children) = children.split_last().expect("a child");
                let cell = |(row, page): &(u64, u32)| [page.to_be_bytes().to_vec(), varint(*row)].concat();
                let cells: Vec<_> = children.iter().map(cell).collect();
                (last.0, file.push(0x05, &cells, Some(last.1)))
            });
            nodes = parents.collect();
        }
        let sql = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)";
        let texts = ["table", "Packages", "Packages"];
        let mut types: Vec<_> = texts.iter().map(|text| varint(text.len() as u64 * 2 + 13)).collect();
        types.extend([varint(4), varint(sql.len() as u64 * 2 + 13)]);
        let values = [texts.concat().as_bytes(), &nodes[0].1.to_be_bytes(), sql.as_bytes()].concat();
        let cell = file.cell(1, &types, &values);
        file.pages[0] = file.page(0x0d, &[cell], None, 100);
        let mut head = b"SQLite format 3\0".to_vec();
        head.extend((if size == 65536 { 1 } else { size as u16 }).to_be_bytes());
        head.extend([1, 1, 0, 64, 32, 32]);
        head.resize(56, 0);
        head.extend(1u32.to_be_bytes());
        file.pages[0][..60].copy_from_slice(&head);
        file
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pages.concat()
    }

    fn cell(&mut self, row: u64, types: &[Vec<u8>], values: &[u8]) -> Vec<u8> {
        let types = types.concat();
        // A record's head counts its own first byte.
        let payload = [&varint(types.len() as u64 + 1), &types, values].concat();
        let (most, least) = (self.size - 35, (self.size - 12) * 32 / 255 - 23);
        let mut cell = [varint(payload.len() as u64), varint(row)].concat();
        if payload.len() <= most {
            return [cell, payload].concat();
        }
        let wanted = least + (payload.len() - least) % (self.size - 4);
        let (local, rest) = payload.split_at(if wanted <= most { wanted } else { least });
        cell.extend(local);
        let first = self.pages.len() as u32 + 1;
        let parts: Vec<_> = rest.chunks(self.size - 4).collect();
        for (n, part) in (1..).zip(&parts) {
            let next = if n == parts.len() as u32 { 0 } else { first + n };
            let mut page = [&next.to_be_bytes(), *part].concat();
            page.resize(self.size, 0);
            self.pages.push(page);
        }
        [cell, first.to_be_bytes().to_vec()].concat()
    }

    fn push(&mut self, kind: u8, cells: &[Vec<u8>], rightmost: Option<u32>) -> u32 {
        let page = self.page(kind, cells, rightmost, 0);
        self.pages.push(page);
        self.pages.len() as u32
    }

    fn page(&self, kind: u8, cells: &[Vec<u8>], rightmost: Option<u32>, start: usize) -> Vec<u8> {
        let mut page = vec![0; self.size];
        let mut end = self.size;
        let mut at = start + if rightmost.is_some() { 12 } else { 8 };
        for cell in cells {
            end -= cell.len();
            page[end..end + cell.len()].copy_from_slice(cell);
            page[at..at + 2].copy_from_slice(&(end as u16).to_be_bytes());
            at += 2;
        }
        assert!(at <= end, "the cells fit");
        page[start] = kind;
        page[start + 3..start + 5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
        page[start + 5..start + 7].copy_from_slice(&(end as u16).to_be_bytes());
        if let Some(rightmost) = rightmost {
            page[start + 8..start + 12].copy_from_slice(&rightmost.to_be_bytes());
        }
        page
    }
}

/// An ndb database; slots in reverse, for their order says nothing.
pub(crate) fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let pages = (blobs.len() + 2).div_ceil(256);
    let mut file = vec![0; pages * 4096];
    let head = [u32::from_le_bytes(*b"RpmP"), 0, 1, pages as u32, 99, 0, 0, 0];
    file[..32].copy_from_slice(&head.map(u32::to_le_bytes).concat());
    for slot in file[32..].chunks_mut(16) {
        slot[..4].copy_from_slice(b"Slot");
    }
    for (n, blob) in blobs.iter().enumerate() {
        let (start, number) = (file.len() as u32, n as u32 + 1);
        let mut body =
            [u32::from_le_bytes(*b"BlbS"), number, 5, blob.len() as u32].map(u32::to_le_bytes).concat();
        body.extend(blob);
        body.resize((body.len() + 12).next_multiple_of(16) - 12, 0);
        let (low, high) = body.iter().fold((1u64, 0u64), |(low, high), b| {
            let low = (low + u64::from(*b)) % 65521;
            (low, (high + low) % 65521)
        });
        body.extend(
            [(high << 16 | low) as u32, blob.len() as u32, u32::from_le_bytes(*b"BlbE")]
                .map(u32::to_le_bytes)
                .concat(),
        );
        let slot = [number, start / 16, body.len() as u32 / 16].map(u32::to_le_bytes).concat();
        let at = pages * 4096 - 16 * (n + 1);
        file[at + 4..at + 16].copy_from_slice(&slot);
        file.extend(body);
    }
    file
}

/// A hash of Berkeley DB: a page of two pairs each, values in overflow pages; rpm's own key 0 in front.
pub(super) fn bdb(blobs: &[Vec<u8>], order: Order, size: usize) -> Vec<u8> {
    let u32 =
        |n: usize| if order == Order::Big { (n as u32).to_be_bytes() } else { (n as u32).to_le_bytes() };
    let u16 =
        |n: usize| if order == Order::Big { (n as u16).to_be_bytes() } else { (n as u16).to_le_bytes() };
    let page = |number: usize, next: usize, entries: usize, free: usize, kind: u8| {
        let mut page =
            [&[0; 8][..], &u32(number), &u32(0), &u32(next), &u16(entries), &u16(free), &[0, kind]].concat();
        page.resize(size, 0);
        page
    };
    let mut pages = vec![Vec::new()];
    let mut items = vec![[&[1][..], &[0; 4]].concat(), [&[1][..], &u32(blobs.len())].concat()];
    for (number, blob) in (1..).zip(blobs) {
        items.push([&[1][..], &u32(number)].concat());
        if blob.len() < size / 4 {
            items.push([&[1], &blob[..]].concat());
            continue;
        }
        items.push([&[3, 0, 0, 0][..], &u32(pages.len()), &u32(blob.len())].concat());
        let parts: Vec<_> = blob.chunks(size - 26).collect();
        for (n, part) in parts.iter().enumerate() {
            let number = pages.len();
            let next = if n + 1 == parts.len() { 0 } else { number + 1 };
            let mut overflow = page(number, next, 1, part.len(), 7);
            overflow[26..26 + part.len()].copy_from_slice(part);
            pages.push(overflow);
        }
    }
    for pairs in items.chunks(4) {
        let mut hash = page(pages.len(), 0, pairs.len(), 0, 13);
        let mut end = size;
        for (n, item) in pairs.iter().enumerate() {
            end -= item.len();
            hash[end..end + item.len()].copy_from_slice(item);
            hash[26 + n * 2..28 + n * 2].copy_from_slice(&u16(end));
        }
        pages.push(hash);
    }
    let mut meta = page(0, 0, 0, 0, 8);
    meta[12..24].copy_from_slice(&[u32(0x0006_1561), u32(9), u32(size)].concat());
    meta[24..26].copy_from_slice(&[0, 8]);
    meta[32..36].copy_from_slice(&u32(pages.len() - 1));
    pages[0] = meta;
    pages.concat()
}

/// A hash of Berkeley DB as most machines write it.
pub(crate) fn bdb_of_little(blobs: &[Vec<u8>], size: usize) -> Vec<u8> {
    bdb(blobs, Order::Little, size)
}
