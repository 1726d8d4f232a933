-- Whether two departments thank each other alike (METRICS 3.3): of both directions of a pair the smaller share of thanked cases,
-- divided by the greater. Its rows are those of `combined`; `n` is of the direction with fewer cases, and nothing bounds it.
-- Where nobody has thanked anybody, or one of them asks nothing of the other, there is nothing to say; and of pairs that are not
-- told of, `indicators` says nothing either.
CREATE OR REPLACE VIEW {generation}.reciprocity AS
SELECT
    'thanks_reciprocity_ratio' AS indicator, there.department AS department, there.counterpart AS counterpart,
    there.window AS window, least(there.as_of, back.as_of) AS as_of,
    least(there.value, back.value) / greatest(there.value, back.value) AS value, least(there.n, back.n) AS n,
    NULL::Nullable(Float64) AS low, NULL::Nullable(Float64) AS high, false AS beyond
FROM (SELECT * FROM {generation}.indicators WHERE indicator = 'thanks_attainment_ratio' AND n > 0) AS there
INNER JOIN (SELECT * FROM {generation}.indicators WHERE indicator = 'thanks_attainment_ratio' AND n > 0) AS back
    ON there.department = back.counterpart AND there.counterpart = back.department AND there.window = back.window
WHERE greatest(there.value, back.value) > 0;
