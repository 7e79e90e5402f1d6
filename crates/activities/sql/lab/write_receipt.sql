INSERT INTO laboratory.receipts (uuid) VALUES ($1)
