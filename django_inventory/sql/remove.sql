-- Take away what the other files here have made, in the opposite order. The migration puts back
-- the constraint as the model has it.

ALTER TABLE @schema@.django_inventory_entry DROP CONSTRAINT inventory_entry_deltas_match_kind;
DROP FUNCTION @schema@.django_inventory_deltas_match_kind;
DROP FUNCTION @schema@.django_inventory_sweep;
DROP FUNCTION @schema@.django_inventory_post;
DROP FUNCTION @schema@.django_inventory_bulk;
DROP FUNCTION @schema@.django_inventory_prepare;
DROP FUNCTION @schema@.django_inventory_operations;
DROP FUNCTION @schema@.django_inventory_post_one;
DROP FUNCTION @schema@.django_inventory_do;
DROP FUNCTION @schema@.django_inventory_answer_known;
DROP FUNCTION @schema@.django_inventory_resolve;
DROP FUNCTION @schema@.django_inventory_answer_resolved;
DROP FUNCTION @schema@.django_inventory_transfer;
DROP FUNCTION @schema@.django_inventory_credit;
DROP FUNCTION @schema@.django_inventory_lock_pair;
DROP FUNCTION @schema@.django_inventory_move;
DROP FUNCTION @schema@.django_inventory_record;
DROP TYPE @schema@.django_inventory_operation;
DROP FUNCTION @schema@.django_inventory_expire;
DROP FUNCTION @schema@.django_inventory_receipt;
DROP FUNCTION @schema@.django_inventory_microseconds;
DROP FUNCTION @schema@.django_inventory_uuid7;
DROP FUNCTION @schema@.django_inventory_refuse;
