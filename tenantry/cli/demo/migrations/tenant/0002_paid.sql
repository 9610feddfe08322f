ALTER TABLE invoice ADD COLUMN paid boolean NOT NULL DEFAULT false;
