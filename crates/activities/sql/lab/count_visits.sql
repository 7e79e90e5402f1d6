-- Who came by telephone, by the device of the first visit.
SELECT count(*) AS "count!"
FROM laboratory.visits AS visit
INNER JOIN laboratory.visits AS earlier ON earlier.number = visit.first_visit
WHERE visit.device = 'telephone'
