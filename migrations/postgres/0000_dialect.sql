-- What SQLite has and PostgreSQL lacks, or has under the same name with another meaning: functions of
-- the schema, so that one text of a statement serves both engines. The schema stands before
-- pg_catalog in the search path, so that `sum` of integers is found here.
--
-- Nothing here needs an extension or a superuser. Everything is IMMUTABLE and written in SQL where it
-- can be, so that the planner puts it in place of its call.

-- Where `part` begins in `whole`, from 1; 0: nowhere.
CREATE FUNCTION instr(whole TEXT, part TEXT) RETURNS BIGINT IMMUTABLE PARALLEL SAFE
RETURN strpos(whole, part)::BIGINT;

-- The catalog's take 32-bit numbers alone. `start` counts from 1 and is never below.
CREATE FUNCTION substr(whole TEXT, start BIGINT) RETURNS TEXT IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.substr(whole, start::INTEGER);
CREATE FUNCTION substr(whole TEXT, start BIGINT, length BIGINT) RETURNS TEXT IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.substr(whole, start::INTEGER, greatest(length, 0)::INTEGER);

-- Upper-case hex.
CREATE FUNCTION hex(bytes BYTEA) RETURNS TEXT IMMUTABLE PARALLEL SAFE
RETURN upper(encode(bytes, 'hex')) COLLATE "C";

CREATE FUNCTION iif(condition BOOLEAN, yes ANYCOMPATIBLE, no ANYCOMPATIBLE) RETURNS ANYCOMPATIBLE
LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS 'SELECT CASE WHEN condition THEN yes ELSE no END';

-- The lesser and the greater of two; NULL if either is. (LEAST and GREATEST leave NULLs out.)
CREATE FUNCTION min(a ANYCOMPATIBLE, b ANYCOMPATIBLE) RETURNS ANYCOMPATIBLE
LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS 'SELECT CASE WHEN a <= b THEN a WHEN b < a THEN b END';
CREATE FUNCTION max(a ANYCOMPATIBLE, b ANYCOMPATIBLE) RETURNS ANYCOMPATIBLE
LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS 'SELECT CASE WHEN a >= b THEN a WHEN b > a THEN b END';

-- The catalog rounds to places of NUMERIC alone.
CREATE FUNCTION round(value DOUBLE PRECISION, places INTEGER) RETURNS DOUBLE PRECISION
IMMUTABLE PARALLEL SAFE
RETURN round(value::NUMERIC, places)::DOUBLE PRECISION;

-- What CAST (… AS INTEGER) is in SQLite: towards zero; of a text, the number that it begins with.
CREATE FUNCTION to_integer(value BIGINT) RETURNS BIGINT IMMUTABLE PARALLEL SAFE
RETURN value;
CREATE FUNCTION to_integer(value DOUBLE PRECISION) RETURNS BIGINT IMMUTABLE PARALLEL SAFE
RETURN trunc(value)::BIGINT;
CREATE FUNCTION to_integer(value TEXT) RETURNS BIGINT IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value IS NOT NULL
            THEN coalesce(substring(value FROM '^\s*([-+]?[0-9]{1,18})'), '0')::BIGINT END;

-- Sums of 64-bit integers are 64-bit integers, and too large a one is an error. (The catalog's is
-- NUMERIC, which costs more and is read as another type.) Of conditions: how many hold.
CREATE AGGREGATE sum(BIGINT) (SFUNC = int8pl, STYPE = BIGINT, COMBINEFUNC = int8pl, PARALLEL = SAFE);
CREATE FUNCTION sum_condition(sum BIGINT, condition BOOLEAN) RETURNS BIGINT IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN condition IS NULL THEN sum ELSE coalesce(sum, 0) + condition::INTEGER END;
CREATE AGGREGATE sum(BOOLEAN) (
    SFUNC = sum_condition, STYPE = BIGINT, COMBINEFUNC = int8pl, PARALLEL = SAFE);
CREATE AGGREGATE group_concat(TEXT, TEXT) (
    SFUNC = string_agg_transfn, STYPE = INTERNAL, FINALFUNC = string_agg_finalfn);

-- JSON in texts. Paths are `$.name`, one level.
CREATE FUNCTION json_type(document TEXT, path TEXT) RETURNS TEXT IMMUTABLE PARALLEL SAFE
RETURN CASE json_typeof(document::JSON -> pg_catalog.substr(path, 3))
           WHEN 'number' THEN CASE WHEN document::JSON ->> pg_catalog.substr(path, 3) ~ '[.eE]'
                                   THEN 'real' ELSE 'integer' END
           WHEN 'string' THEN 'text'
           WHEN 'boolean' THEN document::JSON ->> pg_catalog.substr(path, 3)
           ELSE json_typeof(document::JSON -> pg_catalog.substr(path, 3)) END COLLATE "C";
CREATE FUNCTION json_extract(document TEXT, path TEXT) RETURNS TEXT IMMUTABLE PARALLEL SAFE
RETURN (document::JSON ->> pg_catalog.substr(path, 3)) COLLATE "C";
-- The elements of a list, as texts.
CREATE FUNCTION json_each(document TEXT) RETURNS TABLE (key BIGINT, value TEXT)
LANGUAGE SQL IMMUTABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT e.ordinality - 1, e.value COLLATE "C"
    FROM json_array_elements_text(document::JSON) WITH ORDINALITY e (value, ordinality);
END;

-- Words as unicode61 of FTS5 cuts them: letters and digits, in lower case and without marks. The
-- stems are those of Snowball's English (FTS5 has Porter's first ones), and no word is left out for
-- being common: a phrase is found with all of its words.
CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, LANGUAGE = english);
CREATE TEXT SEARCH CONFIGURATION texts (PARSER = "default");
ALTER TEXT SEARCH CONFIGURATION texts
    ADD MAPPING FOR asciiword, word, numword, int, uint, float, sfloat, version WITH stems;
CREATE FUNCTION plain_words(text TEXT) RETURNS TEXT IMMUTABLE PARALLEL SAFE
RETURN lower(regexp_replace(
    regexp_replace(normalize(text, NFKD) COLLATE "und-x-icu", '[\u0300-\u036f]+', '', 'g'),
    '[^[:alnum:]]+', ' ', 'g'));
