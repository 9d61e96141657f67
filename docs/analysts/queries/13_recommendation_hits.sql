with newest as (  -- the latest release of those that have been observed longest
    select release_id
    from marts.recommendation_performance
    order by days_observed desc, partition_date desc
    limit 1
),
hits as (
    select *, reason_kind = 'Buy again' as is_again
    from marts.recommendation_performance
    inner join newest using (release_id)
)
select
    list,
    rank_band,
    max(days_observed) as days_observed,
    sum(recommended) as recommended,
    sum(bought_7) as bought,
    round(100 * sum(bought_7) / sum(recommended), 2) as hit_pct,
    round((196 * sqrt(sum(bought_7)) / sum(recommended))::numeric, 2) as plus_minus,
    round(100 * sum(bought_7) filter (where is_again) / sum(recommended) filter (where is_again), 2) as buy_again_pct,
    round(100 * sum(bought_7) filter (where not is_again) / sum(recommended) filter (where not is_again), 2) as other_reasons_pct
from hits
group by list, rank_band
order by list, rank_band
