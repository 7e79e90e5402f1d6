-- What the laboratory of faults works on (src/lab.rs). Nothing else reads or writes it, and in production nothing does.
CREATE SCHEMA laboratory;

-- Each COMMIT of a row checks it for 0.3 seconds, as an audit would: a deferred constraint runs at COMMIT.
CREATE TABLE laboratory.receipts (uuid uuid PRIMARY KEY);
CREATE FUNCTION laboratory.check_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.3);
    DELETE FROM laboratory.receipts WHERE uuid = NEW.uuid;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER receipt_is_complete AFTER INSERT ON laboratory.receipts
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION laboratory.check_receipt();

-- Its statistics are older than nearly all of its rows, and autovacuum may not renew them: by them nobody comes with
-- a telephone.
CREATE TABLE laboratory.visits (
    number int PRIMARY KEY,
    first_visit int NOT NULL,
    device text NOT NULL
) WITH (autovacuum_enabled = off);
INSERT INTO laboratory.visits SELECT n, n, 'computer' FROM generate_series(1, 100) AS n;
ANALYZE laboratory.visits;
INSERT INTO laboratory.visits SELECT n, n % 100 + 1, 'telephone' FROM generate_series(101, 5000) AS n;
