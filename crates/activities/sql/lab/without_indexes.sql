-- As if the index had been forgotten: until the transaction ends no plan uses one.
SELECT
    set_config('enable_indexscan', 'off', true) AS index_scan,
    set_config('enable_indexonlyscan', 'off', true) AS index_only_scan,
    set_config('enable_bitmapscan', 'off', true) AS bitmap_scan
