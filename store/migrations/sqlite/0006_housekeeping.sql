-- A cascade is forgotten as a whole, and deliveries by their age.

CREATE INDEX runs_by_cascade ON runs (cascade);
CREATE INDEX deliveries_by_time ON deliveries (at);
