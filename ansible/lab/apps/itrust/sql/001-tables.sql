-- The stand-in's tables. Names are those of the original where it has them; lower_case_table_names = 1 is taken for granted.
CREATE TABLE IF NOT EXISTS users (
  MID BIGINT UNSIGNED NOT NULL,
  Password VARCHAR(200) NOT NULL,
  Role VARCHAR(20) NOT NULL,
  PRIMARY KEY (MID)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE IF NOT EXISTS officevisit (
  ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  MID BIGINT UNSIGNED NOT NULL,
  Notes VARCHAR(1000) NOT NULL DEFAULT '',
  Host VARCHAR(64) NOT NULL,
  Version VARCHAR(64) NOT NULL,
  Created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (ID),
  KEY officevisit_mid (MID)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
