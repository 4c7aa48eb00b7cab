//! Which images stand on which others, told by their layers: what an image says of its base is a stranger's word.

use std::collections::HashMap;

use patchline_registry::Digest;

/// For each image the tallest of the others that it stands on: whose layers are, all of them, its lowest ones. None: it
/// stands on none of them. Of images with the same layers none is the other's base, and the first is that of others.
///
/// `images`: the diff_ids of each, lowest first (OCI image-spec, `rootfs.diff_ids`).
pub fn stands_on<D: AsRef<[Digest]>>(images: &[D]) -> Vec<Option<usize>> {
    let mut by_layers: HashMap<&[Digest], usize> = HashMap::new();
    for (at, layers) in images.iter().enumerate() {
        by_layers.entry(layers.as_ref()).or_insert(at);
    }
    let base = |layers: &[Digest]| (1..layers.len()).rev().find_map(|n| by_layers.get(&layers[..n]).copied());
    images.iter().map(|layers| base(layers.as_ref())).collect()
}

/// How many of the lowest layers two images share.
pub fn shared(one: &[Digest], other: &[Digest]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// The order in which images are mended: each after what it stands on, and else as they were named.
pub fn lowest_first(on: &[Option<usize>]) -> Vec<usize> {
    let depth = |at: usize| std::iter::successors(on[at], |base| on[*base]).count();
    let mut order: Vec<usize> = (0..on.len()).collect();
    order.sort_by_key(|at| depth(*at));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &str) -> Vec<Digest> {
        names.bytes().map(|name| Digest::of(&[name])).collect()
    }

    #[test]
    fn an_image_stands_on_the_tallest_that_it_contains() {
        let images = ["abc", "a", "ab", "xb", "abd", "ab", ""].map(layers);
        let on = stands_on(&images);
        assert_eq!(on, [Some(2), None, Some(1), None, Some(2), Some(1), None]);
        assert_eq!(lowest_first(&on), [1, 3, 6, 2, 5, 0, 4]);
        assert_eq!(shared(&images[0], &images[4]), 2);
        assert_eq!(shared(&images[0], &images[3]), 0);
    }

    #[test]
    fn without_layers_or_images_nothing_is_a_base() {
        assert_eq!(stands_on::<Vec<Digest>>(&[]), []);
        assert_eq!(stands_on(&[layers(""), layers("a"), layers("a")]), [None, None, None]);
    }
}
