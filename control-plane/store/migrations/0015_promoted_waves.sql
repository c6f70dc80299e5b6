-- The position of the wave that an operator wants to end as soon as its Envoys have acknowledged:
-- the next process ends it then. An earlier version goes on to the next wave without a word here,
-- and so the number says which one was meant.
ALTER TABLE rollout ADD COLUMN promoted_wave INTEGER;
