//! The lines of a folder's `*.json`, in the order of the files' names, which begin with their time.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Read at once.
const PIECE: usize = 256 * 1024;
/// A longer line is skipped and counted. A plan of the largest size that is read at all (`pg_plan::MAX_MESSAGE`) has about
/// twice as many bytes with JSON's escapes.
const MAX_LINE: usize = 4 << 20;

pub(super) const REMEDY: &str = "Postgres 15 or newer writes it with logging_collector=on, log_destination='jsonlog', \
     log_timezone='UTC', lc_messages='C', and log_file_mode=0640 for a reader of its group";

pub(super) enum Line<'a> {
    Whole(&'a str),
    TooLong,
}

/// After the last whole line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    file: String,
    inode: u64,
    offset: u64,
}

pub(super) struct Tail {
    folder: PathBuf,
    keep: Option<usize>,
    place: Place,
    /// `None` until there is a first file.
    file: Option<File>,
    /// What came of the next line so far.
    partial: Vec<u8>,
    /// The next line is too long, and is left out to its end; this many bytes of it so far.
    skipped: u64,
}

/// What to do at the end of a file.
enum Next {
    Wait,
    /// Somebody emptied it, or made another of the same name.
    Again,
    File(String),
}

impl Tail {
    /// Goes on at `place`; without one, at the end of the newest file.
    pub(super) fn open(
        folder: &Path,
        place: Option<Place>,
        from_start: bool,
        keep: Option<usize>,
    ) -> anyhow::Result<Self> {
        let names =
            names(folder).with_context(|| format!("can't read the folder {}; {REMEDY}", folder.display()))?;
        let (first, last) = (names.first(), names.last());
        let (Some(first), Some(last)) = (first, last) else {
            anyhow::bail!("there is no *.json in {}; {REMEDY}", folder.display());
        };
        let mut tail = Self {
            folder: folder.to_owned(),
            keep,
            place: Place::default(),
            file: None,
            partial: Vec::new(),
            skipped: 0,
        };
        let opened = match (place, from_start) {
            (Some(place), _) => tail.go_on(&names, place),
            (None, true) => tail.begin(first),
            (None, false) => tail.begin(last).and_then(|()| tail.read_over()),
        };
        opened.with_context(|| format!("can't read the log in {}; {REMEDY}", folder.display()))?;
        Ok(tail)
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.partial.capacity()
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Reads a piece of what is there; false if that was all.
    pub(super) fn read(&mut self, mut each: impl FnMut(Line<'_>)) -> io::Result<bool> {
        if self.piece(&mut each)? {
            return Ok(true);
        }
        let next = self.next()?;
        if !matches!(next, Next::Wait) {
            // Between the end of the file and the look at the folder the server may have written its last lines.
            while self.piece(&mut each)? {}
        }
        let begun = match next {
            Next::Wait => return Ok(false),
            Next::Again => self.begin(&self.place.file.clone()),
            Next::File(name) => self.begin(&name).and_then(|()| self.tidy()),
        };
        match begun {
            Ok(()) => Ok(true),
            // Deleted since we looked at the folder; the next look finds another, or none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn begin(&mut self, name: &str) -> io::Result<()> {
        let file = File::open(self.folder.join(name))?;
        self.place = Place { file: name.to_owned(), inode: file.metadata()?.ino(), offset: 0 };
        self.file = Some(file);
        self.partial.clear();
        self.skipped = 0;
        Ok(())
    }

    /// The file may be gone, and what was in it with it: the lines' numbers will tell.
    fn go_on(&mut self, names: &[String], place: Place) -> io::Result<()> {
        let Some(name) = names.iter().find(|name| **name >= place.file) else {
            self.place = place;
            return Ok(());
        };
        self.begin(name)?;
        if let Some(file) = &mut self.file
            && (&self.place.file, self.place.inode) == (&place.file, place.inode)
            && file.metadata()?.len() >= place.offset
        {
            file.seek(SeekFrom::Start(place.offset))?;
            self.place.offset = place.offset;
        }
        Ok(())
    }

    /// Behind the last whole line that is there.
    fn read_over(&mut self) -> io::Result<()> {
        while self.piece(&mut |_| {})? {}
        Ok(())
    }

    fn piece(&mut self, each: &mut impl FnMut(Line<'_>)) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let before = self.partial.len();
        let read = file.take(PIECE as u64).read_to_end(&mut self.partial)?;
        let mut begin = 0;
        let mut from = before;
        while let Some(end) = self.partial[from..].iter().position(|byte| *byte == b'\n').map(|n| from + n) {
            let line = &self.partial[begin..end];
            match std::str::from_utf8(line) {
                _ if self.skipped > 0 || line.len() > MAX_LINE => each(Line::TooLong),
                Ok(line) => each(Line::Whole(line)),
                // A database may be in another encoding than UTF-8, and the log in several at once.
                Err(_) => each(Line::Whole(&String::from_utf8_lossy(line))),
            }
            self.place.offset += (end + 1 - begin) as u64 + self.skipped;
            self.skipped = 0;
            (begin, from) = (end + 1, end + 1);
        }
        self.partial.drain(..begin);
        if self.partial.len() > MAX_LINE || self.skipped > 0 {
            self.skipped += self.partial.len() as u64;
            self.partial.clear();
        }
        // One long line's memory is not kept for ever.
        self.partial.shrink_to(PIECE * 2);
        Ok(read > 0)
    }

    fn next(&self) -> io::Result<Next> {
        let Place { file: name, inode, offset } = &self.place;
        let path = self.folder.join(name);
        let seen = offset + self.skipped + self.partial.len() as u64;
        match fs::metadata(&path) {
            Ok(now) if self.file.is_some() && (now.ino() != *inode || now.len() < seen) => {
                return Ok(Next::Again);
            }
            Ok(_) => {}
            // Deleted or moved away, perhaps while it is still written to: a newer file tells that it is not.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let later = names(&self.folder)?.into_iter().find(|other| other > name);
        Ok(later.map_or(Next::Wait, Next::File))
    }

    /// Deletes what was read and nobody wants to keep, with the server's other file of the same rotation.
    fn tidy(&self) -> io::Result<()> {
        let Some(keep) = self.keep else { return Ok(()) };
        let read: Vec<String> =
            names(&self.folder)?.into_iter().filter(|name| *name < self.place.file).collect();
        for name in read.iter().rev().skip(keep) {
            let path = self.folder.join(name);
            fs::remove_file(&path)?;
            let _ = fs::remove_file(path.with_extension("log"));
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte {}", self.file, self.offset)
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string()
            && Path::new(&name).extension().is_some_and(|extension| extension == "json")
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
