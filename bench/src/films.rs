//! A hundred real films. Text that repeats itself compresses better than a catalog does, so a page that is compressed has
//! these.

/// A line for each film: its name, its actors and its genres.
const FILMS: &str = include_str!("films.txt");

/// A film.
#[derive(Debug)]
pub struct Film {
    pub name: &'static str,
    pub casts: Vec<&'static str>,
    pub genres: Vec<&'static str>,
}

/// Returns all films in the order of their names.
pub fn all() -> impl Iterator<Item = Film> {
    FILMS.lines().filter_map(|line| {
        let mut parts = line.split('|');
        let name = parts.next()?;
        let mut list = || Some(parts.next()?.split(", ").collect());
        Some(Film { name, casts: list()?, genres: list()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_full_of_different_films() {
        let films: Vec<Film> = all().collect();
        assert_eq!((films.len(), FILMS.lines().count()), (100, 100));
        let mut names: Vec<&str> = films.iter().map(|film| film.name).collect();
        names.dedup();
        assert_eq!(names.len(), 100);
        let complete =
            |film: &&Film| !film.casts.iter().chain(&film.genres).any(|text| text.trim().is_empty());
        assert_eq!(films.iter().filter(complete).count(), 100);
        let first = &films[0];
        assert_eq!((first.name, first.casts[1]), ("12 Angry Men", "Lee J. Cobb"));
    }
}
