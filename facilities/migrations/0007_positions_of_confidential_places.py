"""An open position of a confidential place is refused, whoever writes it: its constraint does not see the facility's class."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("facilities", "0006_sealed_details")]
    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION refuse_open_position() RETURNS trigger
            LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
            BEGIN
                IF EXISTS (SELECT FROM public.facilities WHERE facility_id = NEW.facility_id AND is_confidential) THEN
                    RAISE EXCEPTION 'the position of a confidential place is sealed'
                        USING ERRCODE = 'check_violation', CONSTRAINT = 'confidential_position_is_sealed';
                END IF;
                RETURN NEW;
            END
            $function$;
            CREATE TRIGGER confidential_position_is_sealed BEFORE INSERT OR UPDATE ON facility_coordinates
                FOR EACH ROW WHEN (NEW.latitude IS NOT NULL) EXECUTE FUNCTION refuse_open_position();
            """,
            """
            DROP TRIGGER confidential_position_is_sealed ON facility_coordinates;
            DROP FUNCTION refuse_open_position();
            """,
        ),
    ]
