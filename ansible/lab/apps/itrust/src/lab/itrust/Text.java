package lab.itrust;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** What pages write. */
public final class Text {
    private Text() {
    }

    public static String html(Object value) {
        return String.valueOf(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    /** As the table of users holds passwords: sha256 in hex, no salt. */
    public static String sha256(String value) throws NoSuchAlgorithmException {
        StringBuilder hex = new StringBuilder();
        for (byte each : MessageDigest.getInstance("SHA-256").digest(value.getBytes(StandardCharsets.UTF_8))) {
            hex.append(String.format("%02x", each));
        }
        return hex.toString();
    }
}
