//! Payloads on disk until their receiver has answered: what a process leaves behind, the next one sends.
//!
//! A folder holds numbered files ("segments") that only grow: records of payloads, and records that say which of them are done.
//! The oldest segment is deleted once nothing in it waits, and a spool that holds nothing is an empty file.
//!
//! A record is written in one call, without `fsync`: `kill -9` loses nothing, power loss what the system had not written yet
//! (up to 30 s on Linux). A record that was cut short or damaged is found by its checksum and skipped, never its neighbours.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::Crc;

/// A new segment begins beyond this: small enough that the oldest goes soon, large enough that there are few.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Begins every record, so that what is no record is not read as one.
const MAGIC: u32 = 0x5350_4c31;
/// Magic, kind, key, items, length, the body's checksum and the header's.
const HEADER_BYTES: usize = 4 + 1 + 8 + 8 + 4 + 4 + 4;
const PAYLOAD: u8 = 1;
const DONE: u8 = 2;
const SUFFIX: &str = "spool";

/// The payloads of one destination. One process at a time has it.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// Held as long as we live; another process that asks for the same folder is told.
    _lock: File,
    max_bytes: u64,
    /// The last one is written to.
    segments: BTreeMap<u64, Segment>,
    places: BTreeMap<u64, Place>,
    next_key: u64,
    /// Of payloads, done or not, as their files are.
    bytes: u64,
    /// Payloads whose head could be read and whose body could not: key -> items.
    damaged: BTreeMap<u64, u64>,
    damaged_bytes: u64,
}

/// What could not be read at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Items of records whose head could be read and whose body could not.
    pub items: u64,
    /// Bytes of which nothing is known. The last record of a process that was killed while it wrote is such.
    pub bytes: u64,
}

/// A payload that waits on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub key: u64,
    pub items: u64,
    pub bytes: usize,
}

#[derive(Debug)]
struct Segment {
    file: File,
    length: u64,
    /// How many of its payloads are not done.
    waiting: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    offset: u64,
    record: Header,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u8,
    key: u64,
    items: u64,
    length: u32,
    checksum: u32,
}

impl Spool {
    /// Takes what `folder` holds, and makes it if it is not there. Nobody else may read it: payloads hold what people said.
    pub fn open(folder: impl Into<PathBuf>, max_bytes: u64) -> io::Result<Self> {
        let folder = folder.into();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = private(OpenOptions::new().write(true).create(true), &folder.join("lock"))?;
        lock.try_lock().map_err(|_| io::Error::other("another process has this spool"))?;
        let mut spool = Self {
            folder,
            _lock: lock,
            max_bytes,
            segments: BTreeMap::new(),
            places: BTreeMap::new(),
            next_key: 0,
            bytes: 0,
            damaged: BTreeMap::new(),
            damaged_bytes: 0,
        };
        for number in spool.numbers()? {
            spool.replay(number)?;
        }
        // What ends in a torn record is not written on.
        let next = spool.segments.keys().next_back().map_or(0, |last| last + 1);
        spool.start_segment(next)?;
        spool.delete_done();
        Ok(spool)
    }

    /// What waits, in the order of its writing.
    pub fn stored(&self) -> impl Iterator<Item = Stored> + '_ {
        self.places.values().map(|place| place.record.into())
    }

    pub fn damage(&self) -> Damage {
        Damage { items: self.damaged.values().sum(), bytes: self.damaged_bytes }
    }

    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// What the payloads take, those included that are done and whose file is not deleted yet.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `None` when the spool is full.
    pub fn append(&mut self, body: &[u8], items: u64) -> io::Result<Option<u64>> {
        let size = (HEADER_BYTES + body.len()) as u64;
        let Some(length) = u32::try_from(body.len()).ok().filter(|_| self.bytes + size <= self.max_bytes)
        else {
            return Ok(None);
        };
        let key = self.next_key;
        let record = Header { kind: PAYLOAD, key, items, length, checksum: checksum(body) };
        let (segment, offset) = self.write(record, body)?;
        self.next_key += 1;
        self.bytes += size;
        self.places.insert(key, Place { segment, offset, record });
        self.segments.entry(segment).and_modify(|it| it.waiting += 1);
        Ok(Some(key))
    }

    pub fn read(&mut self, key: u64) -> io::Result<Bytes> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such payload");
        let place = self.places.get(&key).ok_or_else(unknown)?;
        let segment = self.segments.get_mut(&place.segment).ok_or_else(unknown)?;
        let mut body = vec![0; place.record.length as usize];
        segment.file.seek(SeekFrom::Start(place.offset))?;
        segment.file.read_exact(&mut body)?;
        if checksum(&body) != place.record.checksum {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a payload was damaged on disk"));
        }
        Ok(body.into())
    }

    /// The receiver has answered for it, or it was given up. If this can't be written it is sent again after a restart.
    pub fn done(&mut self, key: u64) -> io::Result<()> {
        let Some(place) = self.places.remove(&key) else { return Ok(()) };
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.waiting -= 1;
        }
        if self.places.is_empty() {
            return self.clear();
        }
        let record = Header { kind: DONE, key, items: 0, length: 0, checksum: checksum(&[]) };
        let written = self.write(record, &[]).map(|_| ());
        self.delete_done();
        written
    }

    /// Nothing waits: no file needs to say so.
    fn clear(&mut self) -> io::Result<()> {
        let last = self.segments.keys().next_back().copied();
        while let Some((number, _)) =
            self.segments.first_key_value().filter(|(number, _)| Some(**number) != last)
        {
            let number = *number;
            self.delete(number);
        }
        self.bytes = 0;
        match self.segments.values_mut().next() {
            Some(segment) => {
                segment.length = 0;
                segment.file.set_len(0)
            }
            None => Ok(()),
        }
    }

    /// From the oldest on, as far as nothing waits: what a segment says to be done lies in itself or in an older one.
    fn delete_done(&mut self) {
        while self.segments.len() > 1
            && let Some((number, segment)) = self.segments.first_key_value()
            && segment.waiting == 0
        {
            let number = *number;
            self.delete(number);
        }
    }

    fn delete(&mut self, number: u64) {
        if let Some(segment) = self.segments.remove(&number) {
            self.bytes = self.bytes.saturating_sub(segment.length);
            // One that stays is found empty of waiting payloads at the next start.
            let _ = fs::remove_file(self.path(number));
        }
    }

    /// Appends to the last segment. Gives where the body is.
    fn write(&mut self, record: Header, body: &[u8]) -> io::Result<(u64, u64)> {
        let last = self.segments.last_key_value().map(|(number, segment)| (*number, segment.length));
        let number = match last {
            Some((number, length)) if length < SEGMENT_BYTES => number,
            Some((number, _)) => self.start_segment(number + 1)?,
            None => self.start_segment(0)?,
        };
        let segment = self.segments.get_mut(&number).expect("it is the last, or has just been made");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend_from_slice(&record.to_bytes());
        bytes.extend_from_slice(body);
        if let Err(error) = segment.file.write_all(&bytes) {
            // Half a record would hide those after it.
            if segment.file.set_len(segment.length).is_err() {
                self.start_segment(number + 1)?;
            }
            return Err(error);
        }
        let offset = segment.length + HEADER_BYTES as u64;
        segment.length += bytes.len() as u64;
        if record.kind == DONE {
            self.bytes += bytes.len() as u64;
        }
        Ok((number, offset))
    }

    fn start_segment(&mut self, number: u64) -> io::Result<u64> {
        let file = private(OpenOptions::new().read(true).append(true).create(true), &self.path(number))?;
        self.segments.insert(number, Segment { file, length: 0, waiting: 0 });
        Ok(number)
    }

    /// Reads a segment that an earlier process wrote.
    fn replay(&mut self, number: u64) -> io::Result<()> {
        let mut file = private(OpenOptions::new().read(true).append(true), &self.path(number))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let length = bytes.len() as u64;
        self.segments.insert(number, Segment { file, length, waiting: 0 });
        self.bytes += length;
        let mut at = 0;
        while let Some(record) = bytes.get(at..at + HEADER_BYTES).and_then(Header::from_bytes) {
            let body = at + HEADER_BYTES;
            let end = body + record.length as usize;
            self.next_key = self.next_key.max(record.key.saturating_add(1));
            match (record.kind, bytes.get(body..end)) {
                (_, None) => break,
                (PAYLOAD, Some(found)) if checksum(found) == record.checksum => {
                    self.places.insert(record.key, Place { segment: number, offset: body as u64, record });
                    self.segments.entry(number).and_modify(|it| it.waiting += 1);
                }
                (DONE, Some(_)) => {
                    self.damaged.remove(&record.key);
                    if let Some(place) = self.places.remove(&record.key) {
                        self.segments.entry(place.segment).and_modify(|it| it.waiting -= 1);
                    }
                }
                (_, Some(_)) => drop(self.damaged.insert(record.key, record.items)),
            }
            at = end;
        }
        self.damaged_bytes += (bytes.len() - at) as u64;
        Ok(())
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let stem: Option<u64> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            numbers.extend(stem.filter(|_| path.extension().is_some_and(|it| it == SUFFIX)));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{SUFFIX}"))
    }
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4] = self.kind;
        bytes[5..13].copy_from_slice(&self.key.to_le_bytes());
        bytes[13..21].copy_from_slice(&self.items.to_le_bytes());
        bytes[21..25].copy_from_slice(&self.length.to_le_bytes());
        bytes[25..29].copy_from_slice(&self.checksum.to_le_bytes());
        let own = checksum(&bytes[..29]);
        bytes[29..].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// `None` when these bytes are no header.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let whole = u32_at(0)? == MAGIC && u32_at(29)? == checksum(&bytes[..29]);
        let (key, items) = (u64_at(5)?, u64_at(13)?);
        whole.then_some(Self { kind: bytes[4], key, items, length: u32_at(21)?, checksum: u32_at(25)? })
    }
}

impl From<Header> for Stored {
    fn from(record: Header) -> Self {
        Self { key: record.key, items: record.items, bytes: record.length as usize }
    }
}

fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.mode(0o600).open(path)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
