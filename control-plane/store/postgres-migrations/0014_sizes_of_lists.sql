-- What a list is kept by that nothing names any more: the server that listed it last, and the bytes
-- of its definitions. An earlier version writes neither; the next look counts the bytes.
ALTER TABLE tool_list ADD COLUMN server TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tool_list ADD COLUMN bytes BIGINT;
