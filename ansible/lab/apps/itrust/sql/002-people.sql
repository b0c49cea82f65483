-- Two people, password pw: for a lab, never for production.
INSERT IGNORE INTO users (MID, Password, Role) VALUES
  (9000000000, SHA2('pw', 256), 'hcp'),
  (1, SHA2('pw', 256), 'patient');
