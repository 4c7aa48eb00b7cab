use super::*;

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn layer(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().unwrap()
}

fn read(bytes: &[u8]) -> Result<LayerTree> {
    LayerTree::read(&Digest::of(b""), bytes)
}

fn links(folder: &str, count: usize, size: usize) -> Vec<u8> {
    let first = "var/lib/dpkg/info/a.list";
    layer(|builder| {
        let mut file = header(tar::EntryType::Regular, size as u64);
        builder.append_data(&mut file, first, vec![b'a'; size].as_slice()).unwrap();
        for n in 0..count {
            builder
                .append_link(&mut header(tar::EntryType::Link, 0), format!("{folder}/{n}"), first)
                .unwrap();
        }
    })
}

#[test]
fn hard_links_to_what_is_kept_count() {
    let tree = read(&links("srv", 1000, 16 << 20)).unwrap();
    assert_eq!(tree.contents.len(), 1, "no plan is made from what lies in srv");
    assert!(tree.entries["srv/7"].hashes.is_some());
    assert_eq!(read(&links("var/lib/dpkg/info", 2, 10)).unwrap().contents.len(), 3);
    let many = read(&links("var/lib/dpkg/info", 1000, 16 << 20)).unwrap_err();
    assert!(format!("{many:?}").contains("package database is too large"), "{many:?}");
}

#[test]
fn holes_are_not_read() {
    let mut head = header(tar::EntryType::GNUSparse, 512);
    head.set_path("var/lib/dpkg/status").unwrap();
    {
        let gnu = head.as_gnu_mut().unwrap();
        let octal = |field: &mut [u8], value: u64| {
            let text = format!("{value:0width$o}", width = field.len() - 1);
            field[..text.len()].copy_from_slice(text.as_bytes());
        };
        // Gigabytes of nothing, and one block.
        let real = (8_u64 << 30) - 512;
        octal(&mut gnu.realsize, real);
        octal(&mut gnu.sparse[0].offset, real - 512);
        octal(&mut gnu.sparse[0].numbytes, 512);
    }
    head.set_cksum();
    let bytes = layer(|builder| {
        builder.append(&head, [7_u8; 512].as_slice()).unwrap();
        builder.append_data(&mut header(tar::EntryType::Regular, 3), "behind", b"abc".as_slice()).unwrap();
    });
    let tree = read(&bytes).unwrap();
    assert_eq!(tree.entries["var/lib/dpkg/status"].hashes, None);
    assert!(tree.contents.is_empty());
    assert_eq!(tree.entries["behind"].hashes, Some(Hasher::of(b"abc")));
}

#[test]
fn more_than_is_read_is_an_error() {
    let bytes = layer(|builder| {
        for n in 0..8 {
            let mut file = header(tar::EntryType::Regular, 512);
            builder.append_data(&mut file, format!("f{n}"), [1_u8; 512].as_slice()).unwrap();
        }
    });
    let within = |most: u64| LayerTree::read_within(Flavour::Dpkg, &Digest::of(b""), bytes.as_slice(), most);
    assert!(within(bytes.len() as u64 + 1).is_ok());
    // Where an entry ends the archive would look whole.
    assert!(within(4096).is_err());
    let long = layer(|builder| {
        let size = MAX_HEADERS + 512;
        let mut name = header(tar::EntryType::GNULongName, size);
        name.set_cksum();
        builder.append(&name, vec![b'a'; size as usize].as_slice()).unwrap();
        builder.append_data(&mut header(tar::EntryType::Regular, 0), "x", b"".as_slice()).unwrap();
    });
    assert!(read(&long).is_err());
}
