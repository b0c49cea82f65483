package lab.itrust;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.naming.InitialContext;
import javax.naming.NamingException;
import javax.sql.DataSource;

/** The database: who may come in, and the visits. */
public final class Clinic {
    private static final int MOST_VISITS = 50;

    private Clinic() {
    }

    /** Fails when the database is away. */
    public static void ask() throws SQLException {
        try (Connection connection = connect();
                PreparedStatement statement = connection.prepareStatement("SELECT 1");
                ResultSet ignored = statement.executeQuery()) {
            ignored.next();
        }
    }

    /** Writes one visit and answers its number. */
    public static long visit(long mid, String notes) throws SQLException {
        String text = "INSERT INTO officevisit (MID, Notes, Host, Version) VALUES (?, ?, ?, ?)";
        try (Connection connection = connect();
                PreparedStatement statement =
                        connection.prepareStatement(text, PreparedStatement.RETURN_GENERATED_KEYS)) {
            statement.setLong(1, mid);
            statement.setString(2, notes);
            statement.setString(3, Identity.host());
            statement.setString(4, Identity.version());
            statement.executeUpdate();
            try (ResultSet keys = statement.getGeneratedKeys()) {
                keys.next();
                return keys.getLong(1);
            }
        }
    }

    /** The newest visits of one person: number, host, version, notes. */
    public static List<String[]> visits(long mid) throws SQLException {
        String text = "SELECT ID, Host, Version, Notes FROM officevisit WHERE MID = ? ORDER BY ID DESC LIMIT " + MOST_VISITS;
        List<String[]> found = new ArrayList<>();
        try (Connection connection = connect(); PreparedStatement statement = connection.prepareStatement(text)) {
            statement.setLong(1, mid);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    found.add(new String[] {rows.getString(1), rows.getString(2), rows.getString(3), rows.getString(4)});
                }
            }
        }
        return found;
    }

    private static Connection connect() throws SQLException {
        try {
            return ((DataSource) new InitialContext().lookup("java:comp/env/jdbc/itrust")).getConnection();
        } catch (NamingException error) {
            throw new SQLException("no data source jdbc/itrust", error);
        }
    }
}
