use super::*;

/// A block as it stands in a file.
fn block(kind: u32, payload: &[u8]) -> Vec<u8> {
    let size = payload.len() as u32 + 4;
    let mut bytes = [(kind << 30 | size).to_le_bytes().as_slice(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn file(blocks: &[Vec<u8>]) -> Vec<u8> {
    [b"ADB.pckg".to_vec(), blocks.concat()].concat()
}

/// Values: the header, its root, and what follows it at 8.
fn values(root: u32, words: &[u32]) -> Vec<u8> {
    [0, root].iter().chain(words).flat_map(|word| word.to_le_bytes()).collect()
}

fn signed(file: &[u8]) -> Result<Signed, String> {
    let mut blocks = Blocks::open(file, Schema::Package).map_err(|e| e.to_string())?;
    blocks.signed(1 << 20).map_err(|e| e.to_string())
}

const EMPTY: u32 = 0xe000_0008;

#[test]
fn blocks_come_one_after_the_other() {
    let first = values(EMPTY, &[1]);
    let whole =
        file(&[block(0, &first), block(1, b"one"), block(1, b"two"), block(2, b"content"), block(2, b"x")]);
    let mut blocks = Blocks::open(whole.as_slice(), Schema::Package).expect("opens");
    let signed = blocks.signed(1 << 20).expect("reads");
    assert_eq!((signed.bytes, signed.signatures), (first.clone(), vec![b"one".to_vec(), b"two".to_vec()]));
    assert!(signed.has_data);
    let mut some = [0; 3];
    blocks.read_exact(&mut some).expect("reads");
    assert_eq!((&some, blocks.left()), (b"con", 4));
    assert_eq!(blocks.next().expect("goes on"), Some((Block::Data, 1)));
    assert_eq!(blocks.next().expect("ends"), None);
    // The same with sizes of 64 bits, and packed.
    let mut long = b"ADB.pckg\x00\x00\x00\xc0\x00\x00\x00\x00".to_vec();
    long.extend((first.len() as u64 + 16).to_le_bytes());
    long.extend(&first);
    long.resize(long.len().next_multiple_of(8), 0);
    assert_eq!(super::tests::signed(&long).expect("reads").bytes, first);
    let packed = [b"ADBc\x02\x03".to_vec(), zstd::bulk::compress(&long, 3).expect("packs")].concat();
    assert_eq!(super::tests::signed(&packed).expect("unpacks").bytes, first);
}

#[test]
fn what_is_no_file_of_blocks_is_refused() {
    let good = block(0, &values(EMPTY, &[1]));
    for (what, bytes, word) in [
        ("nothing", Vec::new(), "fill whole buffer"),
        ("another packing", b"ADBx1234567890".to_vec(), "packed in a way"),
        ("another method", b"ADBc\x09\x00123456".to_vec(), "packed in a way"),
        ("an index", b"ADB.indx".to_vec(), "something else"),
        ("no block", file(&[]), "no values"),
        ("data first", file(&[block(2, b"x")]), "stands where it may not"),
        ("values twice", file(&[good.clone(), good.clone()]), "stands where it may not"),
        ("cut short", file(std::slice::from_ref(&good))[..20].to_vec(), "unexpected end"),
        ("half a word", [file(std::slice::from_ref(&good)), vec![1, 2]].concat(), "unexpected end"),
        ("no padding", file(&[good.clone(), block(1, b"x")])[..32 - 3].to_vec(), "unexpected end"),
        ("a size below its own header", file(&[3u32.to_le_bytes().to_vec()]), "no size that can be"),
        (
            "a size beyond all bounds",
            file(&[[0, 0, 0, 0xc0].to_vec(), vec![0, 0, 0, 0], vec![0xff; 8]]),
            "no size",
        ),
        ("larger than asked for", file(&[block(0, &vec![0; 2 << 20])]), "too large"),
        ("a large signature", file(&[good.clone(), block(1, &[0; 4000])]), "too large"),
        ("many signatures", file(&[vec![good.clone()], vec![block(1, b"x"); 40]].concat()), "too many"),
    ] {
        let said = signed(&bytes).err().unwrap_or_default();
        assert!(said.contains(word), "{what}: {said}");
    }
}

#[test]
fn values_that_lead_astray_end() {
    let root = |bytes: Vec<u8>| {
        let values = Values::new(bytes).map_err(|e| e.to_string())?;
        // All of it, as deep as a package goes.
        fn all(slots: &Slots<'_>, depth: usize) -> io::Result<usize> {
            let mut count = 1;
            for number in slots.numbers() {
                if let Some(inner) = slots.slots(number)?
                    && depth < 5
                {
                    count += all(&inner, depth + 1)?;
                }
            }
            Ok(count)
        }
        let root = values.root().map_err(|e| e.to_string())?;
        all(&root, 0).map_err(|e| e.to_string())
    };
    assert_eq!(root(values(EMPTY, &[1])), Ok(1));
    assert_eq!(root(values(EMPTY, &[3, 0, 0xd000_0014, 2, 0])), Ok(2));
    // One that holds itself many times over.
    let mut circle = vec![4000];
    circle.resize(4000, 0xe000_0008);
    for (what, bytes, word) in [
        ("too short", vec![0; 7], "cut short"),
        ("of another version", vec![1; 64], "version to come"),
        ("no root", values(0, &[1]), "no root"),
        ("a root that is a number", values(0x1000_0001, &[1]), "no array"),
        ("outside", values(0xe0ff_ffff, &[1]), "outside"),
        ("more slots than bytes", values(EMPTY, &[0x4000_0000, 0]), "outside"),
        ("no slots", values(EMPTY, &[0]), "no slots"),
        ("a circle", values(EMPTY, &circle), "too many"),
    ] {
        let said = root(bytes).err().unwrap_or_default();
        assert!(said.contains(word), "{what}: {said}");
    }
}

#[test]
fn values_are_what_their_words_say() {
    // At 8: five slots; then a blob of three bytes, a number of 32 bits, a number of 64.
    let words = [
        6,
        0x1000_0007,
        0x8000_0020,
        0x2000_0024,
        0x3000_0028,
        0x8000_0030,
        u32::from_le_bytes(*b"\x03a~b"),
        0xffff_ffff,
        1,
        1,
        u32::from_le_bytes(*b"\x02a\nb"),
    ];
    let values = Values::new(values(EMPTY, &words)).expect("values");
    let root = values.root().expect("a root");
    assert_eq!(root.integer(1).expect("a number"), 7);
    assert_eq!(root.text(2).expect("a text"), "a~b");
    assert_eq!(root.integer(3).expect("a number"), 0xffff_ffff);
    assert_eq!(root.integer(4).expect("a number"), 1 << 32 | 1);
    assert_eq!((root.integer(9).expect("null"), root.text(9).expect("null")), (0, ""));
    assert_eq!(root.blob(5).expect("bytes"), b"a\n");
    assert!(root.text(5).is_err(), "a line's end would be a second line of a database");
    assert!(root.text(1).is_err() && root.integer(2).is_err() && root.slots(1).is_err());
}
