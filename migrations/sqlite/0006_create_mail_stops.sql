-- Kinds of mail that a user does not want.
CREATE TABLE mail_stops (
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    stopped_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) STRICT;
