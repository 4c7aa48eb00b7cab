//! Packages out of their archives, several at once, their contents in the spool; who lays them reads lists alone.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Change,
    layer::{Content, Spool},
};
use crate::{
    Result,
    deb::{
        Deb, Entry, EntryKind,
        kept::{self, Keeper},
    },
    tree::Hashes,
};

/// Archives that are read at once: each may want tens of megabytes to unpack.
const MOST_THREADS: usize = 4;

/// One entry of an archive; with content where it is a file.
pub(super) struct Member {
    pub(super) entry: Entry,
    pub(super) content: Option<(Content, Hashes)>,
}

/// Every package's entries, in the packages' and the archives' order. Of several errors the first package's is told.
pub(super) fn all(
    changes: &[Change<'_>],
    spool: &Spool,
    progress: &(dyn Fn(&str, u64, u64) + Sync),
) -> Result<Vec<Vec<Member>>> {
    // The largest first: what is left at the end is then little, and no core waits for another for long.
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(changes[*index].record.size));
    let slots: Mutex<Vec<Option<Result<Vec<Member>>>>> = Mutex::new(changes.iter().map(|_| None).collect());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let total = changes.len() as u64;
    progress("unpack", 0, total);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).clamp(1, MOST_THREADS);
    let work = || {
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let members = one(&changes[*index], spool);
            slots.lock().unwrap_or_else(PoisonError::into_inner)[*index] = Some(members);
            progress("unpack", done.fetch_add(1, Ordering::Relaxed) as u64 + 1, total);
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    slots.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

fn one(change: &Change<'_>, spool: &Spool) -> Result<Vec<Member>> {
    let Some(place) = &change.unpacked else { return unpacked(change, spool, None) };
    if let Some((members, contents)) = kept::open(place)? {
        let of = spool.beside(contents);
        let content = |(place, hashes)| {
            spool.knows(hashes);
            (Content::Kept { of, place }, hashes)
        };
        return Ok(members
            .into_iter()
            .map(|(entry, kept)| Member { entry, content: kept.map(content) })
            .collect());
    }
    let mut keeper = Keeper::create(place)?;
    let members = unpacked(change, spool, Some(&mut keeper))?;
    keeper.finish()?;
    Ok(members)
}

/// Out of the package itself, kept for the next time where there is a place for it.
fn unpacked(change: &Change<'_>, spool: &Spool, mut keeper: Option<&mut Keeper>) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    Deb::open(&change.deb)?.data(|entry, content| {
        let content = match (entry.kind == EntryKind::File, &mut keeper) {
            (false, None) => None,
            (false, Some(keeper)) => keeper.entry(entry).map(|()| None)?,
            (true, None) => Some(spool.add(entry.size, content)?),
            (true, Some(keeper)) => {
                Some(keeper.file(entry, content, |content| spool.add(entry.size, content))?)
            }
        };
        members.push(Member { entry: entry.clone(), content });
        Ok(())
    })?;
    Ok(members)
}
